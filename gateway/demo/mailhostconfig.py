"""What Postfix and Dovecot of the demonstration's mail host are told; ``@name@`` is one of its values.

Loopback only, no name look-ups, nothing of the system's own mail set-up is read. What a real site would set
up beside a gateway is said in docs/mail.md section 6.
"""

#: Owns the mail that Dovecot keeps.
MAIL_USER = "mail"

MAIN = """\
compatibility_level = 3.6
queue_directory = @folder@/queue
data_directory = @folder@/data
maillog_file = @folder@/postfix.log
maillog_file_prefixes = @folder@
myhostname = mail.example
myorigin = mail.example
inet_interfaces = loopback-only
inet_protocols = ipv4
mydestination =
mynetworks =
local_recipient_maps =
alias_maps =
alias_database =
notify_classes =
disable_dns_lookups = yes
smtpd_peername_lookup = no
default_transport = error:5.1.2 no way to that domain
message_size_limit = @message_bytes@
mailbox_size_limit = 0
virtual_mailbox_limit = 0
virtual_mailbox_domains = socketmap:inet:127.0.0.1:@tables@:domains
virtual_mailbox_maps = socketmap:inet:127.0.0.1:@tables@:mailboxes
virtual_transport = lmtp:unix:@folder@/run/lmtp
transport_maps = socketmap:inet:127.0.0.1:@tables@:transports
recipient_bcc_maps = socketmap:inet:127.0.0.1:@tables@:copies
smtpd_tls_cert_file = @folder@/server.pem
smtpd_tls_key_file = @folder@/server.key
smtpd_tls_security_level = encrypt
smtpd_tls_auth_only = yes
smtpd_tls_session_cache_database =
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = @folder@/run/sasl
smtpd_relay_restrictions = permit_sasl_authenticated, reject
smtpd_recipient_restrictions = check_policy_service inet:127.0.0.1:@policy@
smtpd_reject_unlisted_recipient = yes
queue_run_delay = 1s
minimal_backoff_time = 1s
maximal_backoff_time = 2s
transport_retry_time = 1s
initial_destination_concurrency = 20
"""

MASTER = """\
127.0.0.1:@smtp@ inet n - n - - smtpd
127.0.0.1:@smtps@ inet n - n - - smtpd -o smtpd_tls_wrappermode=yes
127.0.0.1:@injection@ inet n - n - - smtpd
    -o smtpd_tls_security_level=none
    -o smtpd_sasl_auth_enable=no
    -o mynetworks=127.0.0.0/8
    -o smtpd_relay_restrictions=permit_mynetworks,reject
    -o smtpd_recipient_restrictions=
cleanup unix n - n - 0 cleanup
qmgr unix n - n 1 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
proxywrite unix - - n - 1 proxymap
relay unix - - n - - smtp
smtp unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
lmtp unix - - n - - lmtp
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""

DOVECOT = """\
base_dir = @folder@/run
state_dir = @folder@/run
log_path = @folder@/dovecot.log
protocols = imap lmtp
listen = 127.0.0.1
ssl = required
ssl_cert = <@folder@/server.pem
ssl_key = <@folder@/server.key
auth_mechanisms = plain
auth_username_format = %Lu
mail_location = maildir:@folder@/mail/%u
first_valid_uid = @uid@
first_valid_gid = @gid@
mail_max_userip_connections = 50
passdb {
  driver = passwd-file
  args = @folder@/users/%u
}
userdb {
  driver = static
  args = uid=@uid@ gid=@gid@ home=@folder@/mail/%u allow_all_users=no
}
protocol lmtp {
  postmaster_address = postmaster@mail.example
}
service imap-login {
  chroot =
  inet_listener imap {
    port = @imap@
  }
  inet_listener imaps {
    port = 0
  }
}
service lmtp {
  unix_listener lmtp {
    mode = 0666
  }
}
service auth {
  unix_listener sasl {
    mode = 0666
  }
}
service anvil {
  chroot =
}
service stats {
  chroot =
}
namespace inbox {
  inbox = yes
}
"""
