"""Seeds for the parts of an installed site: what only a running part can show to be wrong.

They stop, reload and start parts of the host that is broken; nobody pays meanwhile.
"""

from tests.compliance.seeding import Seed, aside, back, dropin, edit, line, mode, query, reloaded

HAPROXY = "/etc/haproxy/haproxy.cfg"
EDGE = "/etc/rizzpay/haproxy/host.pem"
DATA = "$(sed -n 's/^ *data_dir: //p' /etc/patroni/config.yml)"
UP = "timeout 120 sh -c 'until runuser -u postgres -- psql -XAtqc SELECT; do sleep 1; done'"
VALKEY = "/etc/valkey/valkey.conf"
PSQL = "runuser -u postgres -- psql -XAtq --set ON_ERROR_STOP=1 --dbname rizzpay"
# A service of the name, without any of the sandbox.
STRANGER = Seed(
    "systemd-run --quiet --unit=rizzpay-seed --property=LimitCORE=infinity sleep 600",
    "systemctl stop rizzpay-seed",
)


def setting(name: str, wrong: str) -> Seed:
    """Set what the server runs with, past Patroni."""
    reload = '--command "SELECT pg_reload_conf()" >/dev/null && sleep 1'
    return Seed(
        f"{PSQL} --command \"ALTER SYSTEM SET {name} = '{wrong}'\" {reload}",
        f'{PSQL} --command "ALTER SYSTEM RESET {name}" {reload}',
    )


def certificate(path: str, *, key: bool, then: str = "true") -> Seed:
    """Put a certificate in place of another that nobody issued and that ends in days."""
    made = (
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 5"
        " -subj /CN=seed -keyout /run/seed.key -out /run/seed.crt 2>/dev/null"
    )
    parts = "/run/seed.crt /run/seed.key" if key else "/run/seed.crt"
    return Seed(
        f"{aside(path)} && {made} && cat {parts} > {path} && {then}",
        f"{back(path)} && rm -f /run/seed.key /run/seed.crt && {then}",
    )


def edge(expression: str) -> Seed:
    """Change the settings of HAProxy and let it read them."""
    return reloaded(edit(HAPROXY, expression), "systemctl reload haproxy && sleep 1")


def valkey(expression: str) -> Seed:
    """Change the settings of Valkey and start it again."""
    return reloaded(edit(VALKEY, expression), "systemctl restart valkey-server && sleep 2")


def etcd(expression: str) -> Seed:
    """Change the settings of etcd and start it again."""
    return reloaded(edit("/etc/default/etcd", expression), "systemctl restart etcd && sleep 2")


def older(package: str) -> Seed:
    """Let the list of packages say that one is of long ago."""
    return edit(
        "/var/lib/dpkg/status", f"/^Package: {package}$/,/^Version:/ s/^Version: .*/Version: 0.1/"
    )


def answers(path: str) -> Seed:
    """Let the edge answer a path itself, before it refuses any."""
    rule = f"http-request return status 200 if {{ path_beg {path} }}"
    return edge(f"s#^( *)http-request deny deny_status 405 .*#\\1{rule}\\n&#")


INSIDE = {
    "RP-BAK-001": Seed(
        "systemctl stop rizzpay-backup@diff.timer", "systemctl start rizzpay-backup@diff.timer"
    ),
    "RP-BAK-003": setting("archive_command", "/bin/true"),
    "RP-DB-001": setting("ssl_min_protocol_version", "TLSv1.2"),
    "RP-DB-002": setting("ssl_min_protocol_version", "TLSv1.2"),
    "RP-DB-003": line(f"{DATA}/pg_hba.conf", "hostnossl all rizzpay_app 127.0.0.2/32 trust"),
    "RP-DB-004": line(f"{DATA}/pg_hba.conf", "hostssl all postgres 127.0.0.2/32 scram-sha-256"),
    "RP-DB-007": query(
        "ALTER TABLE rizzpay.payments NO FORCE ROW LEVEL SECURITY",
        "ALTER TABLE rizzpay.payments FORCE ROW LEVEL SECURITY",
    ),
    "RP-DB-009": setting("password_encryption", "md5"),
    "RP-DB-011": setting("synchronous_commit", "local"),
    "RP-DB-012": setting("log_disconnections", "off"),
    "RP-DB-013": setting("log_statement", "mod"),
    "RP-DB-014": mode(DATA, "0755"),
    "RP-HA-003": edit("/etc/patroni/config.yml", "/allowlist:/d"),
    "RP-HA-006": edit("/etc/default/etcd", "/^ETCD_CLIENT_CERT_AUTH=/d"),
    "RP-HA-007": etcd('s/^(ETCD_CLIENT_CERT_AUTH)=.*/\\1="false"/; /^ETCD_TRUSTED_CA_FILE/d'),
    "RP-KEY-001": Seed("systemctl stop rizzpay-hsmd", "systemctl start rizzpay-hsmd && sleep 2"),
    "RP-KEY-003": edit("/etc/rizzpay/credentials/hsm_pin", "s/.*/123456/"),
    "RP-KV-001": valkey('s/^tls-protocols .*/tls-protocols "TLSv1.2 TLSv1.3"/'),
    "RP-KV-002": valkey("s/^user default off.*/user default on nopass ~* +@all/"),
    "RP-KV-003": edit(VALKEY, "s/-@dangerous//"),
    "RP-KV-005": Seed(
        "systemd-run --quiet --unit=seed-valkey valkey-server --port 6399 && sleep 2",
        "systemctl stop seed-valkey",
    ),
    "RP-LB-001": edge("/Strict-Transport-Security/d"),
    "RP-LB-002": edge("s/http-response del-header Server/http-response set-header Server seed/"),
    "RP-LB-003": answers("/.git"),
    "RP-LB-004": answers("/metrics"),
    "RP-LB-005": dropin("haproxy.service", "[Service]\\nNoNewPrivileges=no"),
    "RP-LB-006": edit(HAPROXY, "/timeout http-request/d"),
    "RP-LOG-004": Seed(
        "systemctl stop syslog.socket rsyslog", "systemctl start syslog.socket rsyslog"
    ),
    "RP-LOG-008": query(
        "SET session_replication_role = replica; UPDATE rizzpay.audit_log SET actor = actor ||"
        " '.seed' WHERE id = (SELECT min(id) FROM rizzpay.audit_log)",
        "SET session_replication_role = replica; UPDATE rizzpay.audit_log SET actor ="
        " replace(actor, '.seed', '') WHERE id = (SELECT min(id) FROM rizzpay.audit_log)",
    ),
    # on every host at once: another one's worker would sign what is missing here
    "RP-LOG-009": query(
        "REVOKE INSERT ON rizzpay.audit_checkpoints FROM rizzpay_worker; CREATE TABLE public.seed"
        " AS TABLE rizzpay.audit_checkpoints; SET session_replication_role = replica; DELETE FROM"
        " rizzpay.audit_checkpoints",
        "SET session_replication_role = replica; INSERT INTO rizzpay.audit_checkpoints TABLE"
        " public.seed; DROP TABLE public.seed; GRANT INSERT ON rizzpay.audit_checkpoints TO"
        " rizzpay_worker",
    ),
    "RP-LOG-011": Seed("systemctl stop prometheus", "systemctl start prometheus"),
    "RP-LOG-012": edit(
        "/etc/prometheus/prometheus.yml", "s/n1/gone/g; s/198[.]51[.]100[.]11/203.0.113.9/g"
    ),
    "RP-OS-002": older("ca-certificates"),
    "RP-OS-013": Seed(
        f"{aside('/var/lib/dpkg/status')} && printf '%s\\n' ''"
        " 'Package: telnet' 'Status: install ok installed' 'Maintainer: seed' 'Version: 1'"
        " 'Architecture: all' 'Description: seed' >> /var/lib/dpkg/status",
        back("/var/lib/dpkg/status"),
    ),
    "RP-OS-019": Seed(
        f"{aside('/etc/cron.allow')} && echo seed >> /etc/cron.allow && touch /usr/bin/crontab",
        f"{back('/etc/cron.allow')} && rm /usr/bin/crontab",
    ),
    "RP-OS-020": Seed(
        "printf '[Service]\\nExecStart=/bin/true\\n[Install]\\nWantedBy=multi-user.target\\n'"
        " > /etc/systemd/system/avahi-daemon.service && systemctl enable avahi-daemon",
        "systemctl disable avahi-daemon && rm /etc/systemd/system/avahi-daemon.service",
    ),
    "RP-SW-001": Seed(
        "readlink /opt/rizzpay/current > /run/seed.release && mkdir /opt/rizzpay/releases/0.0.0 &&"
        " ln -sfn releases/0.0.0 /opt/rizzpay/current",
        "ln -sfn $(cat /run/seed.release) /opt/rizzpay/current &&"
        " rmdir /opt/rizzpay/releases/0.0.0",
    ),
    "RP-SW-002": Seed(
        "D=$(echo /opt/rizzpay/current/lib/python3*/site-packages)/seed-9.dist-info && mkdir $D &&"
        " printf 'Metadata-Version: 2.1\\nName: seed\\nVersion: 9\\n' > $D/METADATA",
        "rm -r /opt/rizzpay/current/lib/python3*/site-packages/seed-9.dist-info",
    ),
    "RP-SW-003": older("openssl"),
    "RP-TLS-001": edge(
        "s/ssl-default-bind-options .*/ssl-default-bind-options ssl-max-ver TLSv1.2/"
    ),
    "RP-TLS-002": edge(
        "s/ssl-default-bind-options .*/ssl-default-bind-options ssl-min-ver TLSv1.2/"
    ),
    "RP-TLS-003": Seed(
        "systemd-run --quiet --unit=seed-clear python3 -m http.server 80 && sleep 2",
        "systemctl stop seed-clear",
    ),
    "RP-TLS-004": certificate(EDGE, key=True, then="systemctl reload haproxy && sleep 1"),
    "RP-TLS-005": certificate("/etc/rizzpay/pki/host.crt", key=False),
    "RP-TLS-007": edge("s/verify required alpn/verify optional alpn/"),
    "RP-UNIT-001": STRANGER,
    "RP-UNIT-002": STRANGER,
    "RP-UNIT-003": STRANGER,
    "RP-UNIT-004": STRANGER,
    "RP-UNIT-005": STRANGER,
    # Stops the database: last.
    "RP-DB-010": Seed(
        f"D={DATA} && B=$(ls -d /usr/lib/postgresql/*/bin | tail -n 1) && systemctl stop patroni &&"
        " runuser -u postgres -- $B/pg_checksums --disable -D $D >/dev/null &&"
        f" systemctl start patroni && {UP}",
        f"D={DATA} && B=$(ls -d /usr/lib/postgresql/*/bin | tail -n 1) && systemctl stop patroni &&"
        " runuser -u postgres -- $B/pg_checksums --enable -D $D >/dev/null &&"
        f" systemctl start patroni && {UP}",
    ),
}
# Of a cluster: one database host has none of it.
CLUSTER = {
    name: Seed(
        "patronictl -c /etc/patroni/config.yml edit-config --force -s synchronous_mode=false"
        " >/dev/null && sleep 12",
        "patronictl -c /etc/patroni/config.yml edit-config --force -s synchronous_mode=true"
        " >/dev/null && sleep 12",
    )
    for name in ("RP-HA-001", "RP-HA-002")
}
