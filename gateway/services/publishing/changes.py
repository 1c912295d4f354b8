"""What a State's draft changes against what is published of it, for those who sign and for cooling-off."""

from gateway.model.record_changes import RecordChange, record_changes
from gateway.services.registry.drafts import Draft


def state_changes(before: Draft | None, after: Draft) -> tuple[RecordChange, ...]:
    """Return every change of authorities, the State's own record and requirements; none in a renewal."""
    had = before.records() if before is not None else {}
    return (*record_changes(had, after.records()), *_other_files(before, after))


def _other_files(before: Draft | None, after: Draft) -> list[RecordChange]:
    """Return changes of what is no authority's record: the State's own, and requirements."""
    old, new = before.files if before is not None else {}, after.files
    listed = {
        f"states/{aid[:2]}/{aid}.json" for aid in {*after.records(), *(before.records() if before else ())}
    }
    found = []
    for path in sorted((old.keys() | new.keys()) - listed):
        if old.get(path) != new.get(path):
            name = path.rpartition("/")[2].removesuffix(".json")
            what = "is not published any more" if path not in new else "says something else now"
            sentence = f"{'The State' if name == '_state' else name} {what if path in old else 'is new'}."
            found.append(RecordChange(authority_id=name, field=name, sentence=sentence, removes_trust=False))
    return found
