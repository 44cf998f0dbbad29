"""Seeded misconfigurations: how to break a host so that a control has to notice; how to mend it.

A control that cannot fail is a bug. Each seed breaks what its control is about and nothing else;
the proof tries the control before, broken and mended, on a host that the playbook installed.
"""

import secrets

from tests.compliance.seeding import Seed, aside, back, edit, file, line, mode, query, sshd, sysctl
from tests.compliance.seeds_inside import CLUSTER, INSIDE

MADE_UP = secrets.token_hex(8)  # what looks like a password and opens nothing
AUDIT = "/etc/audit/rules.d/50-rizzpay.rules"
NFT = "nft add rule inet rizzpay"
OUTSIDE = {
    "RP-SSH-001": sshd("PermitRootLogin yes"),
    "RP-SSH-002": sshd("PasswordAuthentication yes"),
    "RP-SSH-003": sshd("PermitEmptyPasswords yes"),
    "RP-SSH-004": sshd("MaxAuthTries 20"),
    "RP-SSH-005": sshd("LoginGraceTime 0"),
    "RP-SSH-006": sshd("AllowTcpForwarding yes"),
    "RP-SSH-007": sshd("Ciphers aes128-cbc,aes256-ctr"),
    "RP-SSH-008": sshd("MACs hmac-sha1"),
    "RP-SSH-009": sshd("KexAlgorithms diffie-hellman-group14-sha1,curve25519-sha256"),
    "RP-SSH-010": sshd("ClientAliveInterval 0"),
    "RP-SSH-011": edit("/etc/ssh/sshd_config.d/10-rizzpay.conf", "/^Allow(Users|Groups)/d"),
    "RP-SSH-012": sshd("LogLevel QUIET"),
    "RP-SSH-013": mode("/etc/ssh/ssh_host_ed25519_key", "0640"),
    "RP-SSH-014": mode("/etc/ssh/sshd_config", "0666"),
    "RP-SSH-015": sshd("PermitUserEnvironment yes"),
    "RP-SSH-016": sshd("Banner none"),
    "RP-OS-001": edit("/etc/os-release", 's/^VERSION_ID=.*/VERSION_ID="10"/'),
    "RP-OS-003": file(
        "/etc/apt/sources.list.d/seed.list", "deb [trusted=yes] http://203.0.113.9/ x y"
    ),
    "RP-OS-004": line("/usr/bin/ldd", "# seed"),
    "RP-OS-006": Seed(
        "mkdir -p /etc/systemd/system.conf.d /etc/systemd/coredump.conf.d && printf"
        " '[Manager]\\nDefaultLimitCORE=infinity\\n' > /etc/systemd/system.conf.d/zz-seed.conf &&"
        " printf '[Coredump]\\nStorage=external\\n' > /etc/systemd/coredump.conf.d/zz-seed.conf &&"
        " systemctl daemon-reexec",
        "rm -f /etc/systemd/system.conf.d/zz-seed.conf /etc/systemd/coredump.conf.d/zz-seed.conf &&"
        " systemctl daemon-reexec",
    ),
    "RP-OS-007": file("/etc/sysctl.d/zz-seed-1.conf", "kernel.randomize_va_space = 0"),
    "RP-OS-008": file("/etc/sysctl.d/zz-seed-2.conf", "kernel.yama.ptrace_scope = 0"),
    "RP-OS-009": file("/etc/sysctl.d/zz-seed-3.conf", "kernel.kptr_restrict = 0"),
    "RP-OS-010": file("/etc/sysctl.d/zz-seed-4.conf", "fs.protected_symlinks = 0"),
    "RP-OS-011": edit("/etc/modprobe.d/rizzpay-hardening.conf", "/dccp/d"),
    "RP-OS-012": Seed("mount -o remount,exec /dev/shm", "mount -o remount,noexec /dev/shm"),
    "RP-OS-014": Seed(
        "cp /usr/bin/id /usr/local/bin/seed && chmod 4755 /usr/local/bin/seed",
        "rm -f /usr/local/bin/seed",
    ),
    "RP-OS-015": Seed("mkdir -m 0777 /opt/seed", "rmdir /opt/seed"),
    "RP-OS-016": Seed("touch /opt/seed.txt && chown 54321 /opt/seed.txt", "rm -f /opt/seed.txt"),
    "RP-OS-017": Seed("systemctl unmask ctrl-alt-del.target", "systemctl mask ctrl-alt-del.target"),
    "RP-OS-018": Seed(
        "systemd-run --quiet --unit=seed-failed /bin/false; sleep 1",
        "systemctl reset-failed seed-failed",
    ),
    "RP-ACC-001": Seed(
        "useradd --non-unique --uid 0 --no-create-home toor",
        "sed --in-place '/^toor:/d' /etc/passwd /etc/shadow /etc/group /etc/gshadow",
    ),
    "RP-ACC-002": Seed("useradd seedopen && passwd --delete seedopen", "userdel seedopen"),
    "RP-ACC-003": Seed(
        "useradd --non-unique --uid 1 --no-create-home --shell /usr/sbin/nologin seedtwin",
        "sed --in-place '/^seedtwin:/d' /etc/passwd /etc/shadow /etc/group /etc/gshadow",
    ),
    "RP-ACC-004": Seed(
        "usermod --shell /bin/bash games", "usermod --shell /usr/sbin/nologin games"
    ),
    "RP-ACC-005": Seed(
        f"usermod --password '$6$seed${MADE_UP * 5}abcdef' root", "usermod --password '!*' root"
    ),
    "RP-ACC-006": edit("/etc/login.defs", "s/^ENCRYPT_METHOD.*/ENCRYPT_METHOD MD5/"),
    "RP-ACC-007": edit("/etc/security/faillock.conf", "s/^deny.*/deny = 100/"),
    "RP-ACC-008": edit("/etc/security/pwquality.conf", "s/^minlen.*/minlen = 6/"),
    "RP-ACC-009": edit("/etc/profile.d/rizzpay.sh", "s/^TMOUT=.*/TMOUT=36000/"),
    "RP-ACC-010": edit("/etc/profile.d/rizzpay.sh", "s/^umask.*/umask 000/"),
    "RP-ACC-011": edit("/etc/sudoers.d/10-rizzpay", "/logfile/d"),
    "RP-ACC-012": mode("/etc/sudoers.d/10-rizzpay", "0660"),
    "RP-ACC-013": file("/root/.netrc", "machine seed login a"),
    "RP-ACC-014": Seed(
        "mkdir -p /root/.ssh && touch /root/.ssh/seed && chmod 0666 /root/.ssh/seed",
        "rm -f /root/.ssh/seed",
    ),
    "RP-ACC-015": Seed(
        "cd /home && mkdir -m 0755 -p admin && chmod 0755 admin", "cd /home && chmod 0700 admin"
    ),
    "RP-ACC-016": file("/root/.seed_history", f"mysql --password={MADE_UP}"),
    "RP-NET-001": Seed("systemctl disable nftables", "systemctl enable nftables"),
    "RP-NET-002": Seed(
        "nft chain inet rizzpay input '{ policy accept; }'",
        "nft chain inet rizzpay input '{ policy drop; }'",
    ),
    "RP-NET-003": Seed(
        "nft chain inet rizzpay output '{ policy accept; }'",
        "nft chain inet rizzpay output '{ policy drop; }'",
    ),
    "RP-NET-004": sysctl("net.ipv4.ip_forward", 1, 0),
    "RP-NET-005": Seed(f"{NFT} input tcp dport 31337 accept", "nft -f /etc/nftables.conf"),
    "RP-NET-006": mode("/etc/nftables.conf", "0666"),
    "RP-NET-007": Seed(
        "systemd-run --quiet --unit=seed-port python3 -m http.server 31337; sleep 2",
        "systemctl stop seed-port",
    ),
    "RP-NET-008": Seed(f"{NFT} output tcp dport 443 accept", "nft -f /etc/nftables.conf"),
    "RP-NET-009": sysctl("net.ipv4.conf.all.rp_filter", 0, 1),
    "RP-NET-010": sysctl("net.ipv4.conf.all.accept_redirects", 1, 0),
    "RP-NET-011": sysctl("net.ipv4.tcp_syncookies", 0, 1),
    "RP-TIME-001": Seed("systemctl disable chrony", "systemctl enable chrony"),
    "RP-TIME-002": edit("/etc/chrony/chrony.conf", "/^(server|peer|pool) /d"),
    "RP-TIME-004": mode("/etc/chrony/chrony.conf", "0666"),
    "RP-TIME-005": Seed(
        "ln -sf /usr/share/zoneinfo/Asia/Kolkata /etc/localtime",
        "ln -sf /usr/share/zoneinfo/Etc/UTC /etc/localtime",
    ),
    "RP-LOG-001": file("/etc/systemd/journald.conf.d/zz-seed.conf", "[Journal]\nStorage=volatile"),
    "RP-LOG-002": edit(
        "/etc/systemd/journald.conf.d/rizzpay.conf",
        "s/^MaxRetentionSec.*/MaxRetentionSec=7day/",
    ),
    "RP-LOG-003": Seed("systemctl stop rsyslog", "systemctl start rsyslog"),
    "RP-LOG-005": Seed(
        "echo x > /var/log/seed.log && chmod 0666 /var/log/seed.log", "rm -f /var/log/seed.log"
    ),
    "RP-LOG-006": Seed(f"{aside(AUDIT)} && rm {AUDIT}", back(AUDIT)),
    "RP-LOG-007": edit(AUDIT, "/^-e 2/d"),
    "RP-LOG-010": Seed(
        "logger 'paid with 4111 1111 1111 1111'",
        "journalctl --rotate; journalctl --vacuum-time=1s",
    ),
    "RP-FILE-001": mode("/etc/shadow", "0644"),
    "RP-FILE-002": mode("/etc/rizzpay/rizzpay.toml", "0644"),
    "RP-FILE-003": mode("/etc/rizzpay/credentials", "0755"),
    "RP-FILE-004": Seed(
        "touch /opt/rizzpay/seed && chmod 0666 /opt/rizzpay/seed", "rm -f /opt/rizzpay/seed"
    ),
    "RP-FILE-005": file("/etc/systemd/system/seed.service", f"Environment=SEED_PASSWORD={MADE_UP}"),
    "RP-TLS-006": mode("/etc/rizzpay/pki/host.key", "0644"),
    "RP-KEY-002": mode("/var/lib/rizzpay-hsm/tokens", "0755"),
    "RP-KEY-004": mode("/run/rizzpay-hsm/hsmd.sock", "0666"),
    "RP-HA-004": mode("/etc/patroni/config.yml", "0644"),
    "RP-HA-008": mode("/var/lib/etcd", "0755"),
    "RP-KV-004": mode("/etc/valkey/valkey.conf", "0644"),
    "RP-DB-005": query("CREATE ROLE seed SUPERUSER", "DROP ROLE seed"),
    "RP-DB-006": query("ALTER ROLE rizzpay_app BYPASSRLS", "ALTER ROLE rizzpay_app NOBYPASSRLS"),
    "RP-DB-008": query(
        "GRANT DELETE ON rizzpay.audit_log TO rizzpay_app",
        "REVOKE DELETE ON rizzpay.audit_log FROM rizzpay_app",
    ),
    "RP-DB-015": query(
        "GRANT CREATE ON SCHEMA public TO rizzpay_app",
        "REVOKE CREATE ON SCHEMA public FROM rizzpay_app",
    ),
    "RP-BAK-002": edit("/etc/pgbackrest.conf", "/repo1-cipher-type/d"),
    "RP-BAK-004": mode("/etc/pgbackrest.conf", "0644"),
}
SEEDS = OUTSIDE | INSIDE | CLUSTER
# Why nobody has seen these fail on a machine of the lab.
UNSEEDED = {
    "RP-HA-005": "a container has no watchdog",
    "RP-LOG-014": "a container loads no audit rules into the kernel it shares",
    "RP-NET-012": "PostgreSQL and the firewall refuse a copy elsewhere before it could be seen",
    "RP-OS-005": "a container loads no profiles into the kernel it shares",
    "RP-TIME-003": "a container cannot set the clock",
}
