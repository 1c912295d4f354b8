"""Codes in words: what kinds of cases, steps, marks and refusals are called on the page.

A code that this version does not know is shown as it came: it is never hidden and never guessed at.
"""

from collections.abc import Mapping
from types import MappingProxyType

from gateway.web.duty.languages import N_

_TABLES: Mapping[str, Mapping[str, str]] = {
    # A request is called by its kind, another message by its type.
    "what": {
        "mla": N_("Mutual legal assistance"),
        "freezing_for_confiscation": N_("Freezing for confiscation"),
        "confiscation": N_("Confiscation"),
        "asset_return_or_sharing": N_("Return or sharing of assets"),
        "extradition": N_("Extradition"),
        "provisional_arrest": N_("Provisional arrest"),
        "preservation": N_("Preservation of data"),
        "data_location_inquiry": N_("Inquiry where data are"),
        "preserved_traffic_data_disclosure": N_("Disclosure of preserved traffic data"),
        "emergency_disclosure": N_("Emergency disclosure"),
        "controlled_delivery": N_("Controlled delivery"),
        "maritime_flag_state": N_("Maritime: confirmation of flag"),
        "law_enforcement_information": N_("Information for law enforcement"),
        "epoc": N_("European production order"),
        "epoc_pr": N_("European preservation order"),
        "request": N_("Request"),
        "preservation_request": N_("Request to preserve data"),
        "acknowledgement": N_("Acknowledgement"),
        "preservation_acknowledgement": N_("Acknowledgement"),
        "preservation_report": N_("Report on the preservation"),
        "preservation_risk_notice": N_("Notice of a risk"),
        "preservation_risk_decision": N_("Decision on the risk"),
        "preservation_extension_request": N_("Request to extend the preservation"),
        "preservation_extension_report": N_("Answer on the extension"),
        "preservation_expiry_warning": N_("Warning that the preservation ends"),
        "preservation_release": N_("Release of the preserved data"),
        "mla_follow_up_notice": N_("Notice of the request that follows"),
        "traffic_data_disclosure": N_("Disclosure of traffic data"),
        "oral_request_note": N_("Note of an oral request"),
        "written_confirmation": N_("Written confirmation"),
        "competence_notice": N_("Notice on competence"),
        "refusal": N_("Refusal"),
        "status_report": N_("Report on the status"),
        "additional_information": N_("Further information"),
        "withdrawal": N_("Withdrawal"),
        "correction": N_("Correction"),
        "test_message": N_("Drill: test message"),
    },
    "level": {
        "routine": N_("Routine"),
        "priority": N_("Priority"),
        "urgent": N_("Urgent"),
        "emergency": N_("Emergency"),
    },
    "confidentiality": {
        "normal": N_("Normal"),
        "restricted": N_("Restricted"),
        "confidential": N_("Confidential"),
        "strict": N_("Strictly confidential"),
    },
    "state": {
        "oral_pending_confirmation": N_("Oral: written confirmation is awaited"),
        "transmitted": N_("Sent"),
        "delivered": N_("Delivered"),
        "received": N_("Acknowledged"),
        "under_review": N_("Under review"),
        "info_requested": N_("More information was asked for"),
        "in_execution": N_("In execution"),
        "postponed": N_("Postponed"),
        "refusal_consultation": N_("Refusal is being discussed"),
        "conditions_offered": N_("Conditions were offered"),
        "partially_executed": N_("Partly executed"),
        "executed": N_("Executed"),
        "results_transmitted": N_("Results sent"),
        "results_received": N_("Results received"),
        "refused": N_("Refused"),
        "returned_not_competent": N_("Returned"),
        "withdrawn": N_("Withdrawn"),
        "superseded": N_("Replaced"),
        "closed": N_("Closed"),
        "preservation_requested": N_("Preservation requested"),
        "preservation_acknowledged": N_("Acknowledged"),
        "preservation_at_risk": N_("At risk: a decision is awaited"),
        "preserved": N_("Preserved"),
        "partly_preserved": N_("Partly preserved"),
        "preservation_extended": N_("Preservation extended"),
        "held_pending_decision": N_("Held until the request is decided"),
        "preservation_refused": N_("Refused"),
        "preservation_impossible": N_("Impossible"),
        "preservation_lapsed": N_("Lapsed"),
        "preservation_released": N_("Released"),
        "preservation_returned": N_("Returned"),
    },
    "stage": {
        "waiting": N_("Nothing is late yet."),
        "not_consigned": N_("Their gateway has not got it. Other channels are taken."),
        "backup": N_("The backup was called."),
        "reminded": N_("The shift leader was called."),
        "target_passed": N_(
            "The time has passed. Turn to their other contact point, INTERPOL, your superior."
        ),
        "expired": N_("It may no longer be delivered. Nobody said that they have it."),
    },
    "reason": {
        "arrived": N_("Something urgent arrived."),
        "not-consigned": N_("What we sent has not arrived in its time."),
        "not-acknowledged": N_("No person has acknowledged it in its time."),
        "target-passed": N_("The time to acknowledge has passed."),
        "second-signature": N_("A second person is to sign or to ring back."),
        "callback-denied": N_("Rung back, the authority said that it is not theirs."),
        "act-waiting": N_("Something urgent waits for an officer's passkey before it is sent."),
        "oral-unconfirmed": N_("An oral request has not been confirmed in writing."),
        "preservation-ending": N_("A preservation ends soon."),
        "alarm-silent": N_("An alarm path is silent."),
        "drill": N_("A drill: answer as if it were real."),
        "no-one-on-duty": N_("The roster names nobody."),
    },
    "part": {
        "duty": N_("On duty"),
        "backup": N_("Backup"),
        "shift_leader": N_("Shift leader"),
    },
    "role": {
        "duty_officer": N_("duty officer"),
        "approver": N_("approver"),
        "operator": N_("operator"),
        "shift_leader": N_("shift leader"),
        "auditor": N_("auditor"),
    },
    "assurance": {
        "passkey": N_("passkey"),
        "token": N_("card or token"),
        "mail_signature": N_("signed mail"),
        "second_person_telephone": N_("by telephone, two persons (low)"),
        "local_operator": N_("local sign-in only (lowest)"),
    },
    "weight": {
        "note": N_("Note:"),
        "caution": N_("Caution:"),
        "warning": N_("Warning:"),
    },
    "mark": {
        "listing-not-listed": N_(
            "Nobody lists this authority any more. Ring a number that you know from elsewhere."
        ),
        "listing-unverifiable": N_(
            "What the directories say of this authority cannot be verified. Ring it up."
        ),
        "listing-stale": N_("The directory was not renewed in time. The number may be an old one."),
        "attested-only": N_("Only a secretariat vouches for this authority, not its own State."),
        "record-unconfirmed": N_("Nobody has confirmed this authority’s record for 180 days."),
        "no-point": N_("It is listed neither as a 24/7 point nor as a central authority."),
        "key-revoked": N_("The key that signed this is revoked. Ring back before you act."),
        "key-unlisted": N_("The key that signed this is not listed any more. Ask the authority why."),
        "key-young": N_("The key that signed this is less than seven days old. Ring back."),
        "first-contact": N_("Nothing came from this authority before. Ring back."),
        "hour-unusual": N_("Hardly anything ever came at this hour of its day. Ring back."),
        "rate-unusual": N_("Far more came than ever within a day. Ring back; one call may cover several."),
        "assurance-low": N_("No officer’s own key signed this: only the gateway there vouches for it."),
        "emergency": N_("An emergency: act at once where you can, and ring back beside it."),
    },
    "refusal": {
        "not-found": N_("There is no such thing here, or it is gone."),
        "malformed": N_(
            "The browser sent something that this page does not understand. Load the page again."
        ),
        "too-large": N_("The browser sent more than this page takes."),
        "rate": N_("Too many attempts. Wait a minute, then try again."),
        "unavailable": N_("The gateway cannot do this just now. Nothing was changed. Try again in a moment."),
        "page-foreign": N_(
            "This did not come from a page of this gateway. Nothing was changed. Load the page again."
        ),
        "signed-out": N_("You are signed out. Sign in again."),
        "officer-role": N_("Your role may not do this. Ring the officer on duty."),
        "officer-unknown": N_("This officer is not known here."),
        "officer-not-ready": N_("No passkey of this officer counts yet, or any more. Ring the gateway."),
        "setup-link-invalid": N_(
            "This link was used already, is too old, or is incomplete. Ask for a new one."
        ),
        "already-acknowledged": N_("It has been acknowledged already. Nothing was sent again."),
        "not-acknowledgeable": N_("Only a request that came in can be acknowledged."),
        "act-unknown": N_("There is no such act here."),
        "act-over": N_("It was signed already, or its time is over. Nothing was sent again."),
        "act-outdated": N_("The case has moved on since. Nothing was sent. Begin again."),
        "drill-nothing": N_("This drill was answered already, or is over."),
        "second-not-approver": N_("Only an approver or the shift leader stands by it as the second person."),
        "second-not-owed": N_("Nobody is waited for here any more: a second person has signed or rung back."),
        "second-same-person": N_("Whoever sent it cannot be the second person."),
        "two-persons": N_("Two different persons are needed for this."),
        "page-unknown": N_("This alarm is over, or was answered already."),
    },
}
TABLES: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {name: MappingProxyType(table) for name, table in _TABLES.items()}
)

#: Said where a check of the passkey failed, whichever it was: the code beside it tells the operator.
PASSKEY_REFUSED = N_(
    "The passkey was not accepted. Nothing was changed. Try again; if it goes on, ring the gateway."
)
OTHERWISE = N_("It was not done. Nothing was changed. Tell the operator of the gateway the code.")


def in_words(table: str, code: str) -> str:
    """Return what a code is called, in English and to be translated, or the code itself."""
    return TABLES[table].get(code, code)


def refusal(code: str) -> str:
    """Return what is said about a refusal, in English and to be translated."""
    if code.startswith("human-"):
        return PASSKEY_REFUSED
    return TABLES["refusal"].get(code, OTHERWISE)
