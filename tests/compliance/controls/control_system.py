"""Controls of the operating system: kernel settings, file systems, packages."""

import pytest

from tests.compliance.asking import (
    in_container,
    kernel,
    lines,
    nothing_is_said,
    settings,
    told,
)
from tests.compliance.plugin import not_applicable

RELEASES = ("12", "13")
MODULES = ("cramfs", "freevxfs", "hfs", "hfsplus", "jffs2", "udf", "dccp", "tipc", "rds", "sctp")
CLEAR_TEXT = (
    "telnet telnetd inetutils-telnet rsh-client rsh-server ftp tnftp vsftpd tftp tftpd-hpa "
    "nis talk talkd xinetd snmpd"
)
# Where Debian has them; every other one has to be explained.
SET_UID = {
    "/usr/bin/chage", "/usr/bin/chfn", "/usr/bin/chsh", "/usr/bin/crontab", "/usr/bin/expiry",
    "/usr/bin/fusermount3", "/usr/bin/gpasswd", "/usr/bin/mount", "/usr/bin/newgrp",
    "/usr/bin/passwd", "/usr/bin/ssh-agent", "/usr/bin/su", "/usr/bin/sudo", "/usr/bin/umount",
    "/usr/bin/pkexec", "/usr/bin/dotlockfile", "/usr/bin/bsd-write", "/usr/bin/wall",
    "/usr/lib/dbus-1.0/dbus-daemon-launch-helper", "/usr/lib/openssh/ssh-keysign",
    "/usr/lib/polkit-1/polkit-agent-helper-1", "/usr/sbin/unix_chkpwd",
    "/usr/libexec/camel-lock-helper-1.2", "/usr/sbin/mount.nfs", "/usr/bin/su-to-root",
    "/usr/bin/plocate",
}  # fmt: skip
UNWANTED = (
    "avahi-daemon cups bluetooth rpcbind nfs-server smbd nmbd slapd named dovecot exim4 postfix "
    "apache2 nginx squid snmpd vsftpd telnet.socket rsync xinetd autofs"
)
# Files are looked at on the host's own file systems; what the kernel shows is none.
OWN_FILES = "find / -xdev -not -path '/proc/*' -not -path '/sys/*' -not -path '/run/*'"


@pytest.mark.control("RP-OS-001")
def test_the_release_is_supported(host):
    found = settings(told(host, "cat /etc/os-release").replace('"', ""))
    name = f"{found.get('id')} {found.get('version_id')}"
    assert found.get("id") == "debian", name
    assert found.get("version_id") in RELEASES, name


@pytest.mark.control("RP-OS-002")
def test_no_security_update_waits(host):
    planned = lines(host, "apt-get --simulate --quiet dist-upgrade")
    waiting = [line for line in planned if line[:5] == "Inst " and "security" in line.lower()]
    assert not waiting, f"security updates wait: {', '.join(waiting[:10])}"


@pytest.mark.control("RP-OS-003")
def test_sources_of_packages_are_signed(host):
    nothing_is_said(
        host,
        "apt-config dump | grep -iE 'allow-?(insecure|unauthenticated|weak)[^\"]*\"(1|true|yes)'"
        "; grep -rilE 'trusted *[=:] *yes|allow-insecure *[=:] *yes' /etc/apt/sources.list"
        " /etc/apt/sources.list.d 2>/dev/null || true",
        "unsigned packages are let in",
    )


@pytest.mark.control("RP-OS-004")
def test_installed_files_are_those_of_the_packages(host):
    # "c" marks settings, which roles write; documents and locales may be left out on purpose
    nothing_is_said(
        host,
        "dpkg --verify 2>/dev/null | grep -v ' c /' | grep -vE '/usr/share/(doc|man|locale|info)/'"
        " || true",
        "files differ from their package",
    )


@pytest.mark.control("RP-OS-005")
def test_apparmor_confines_programs(host):
    if in_container(host):
        not_applicable("a container cannot load profiles into the kernel it shares")
    assert told(host, "cat /sys/module/apparmor/parameters/enabled").strip() == "Y"


@pytest.mark.control("RP-OS-006")
def test_a_crash_leaves_no_memory_behind(host):
    limits = settings(told(host, "systemctl show --property=DefaultLimitCORE").replace("=", " "))
    pattern = told(host, "cat /proc/sys/kernel/core_pattern").strip()
    stored = told(host, "systemd-analyze cat-config systemd/coredump.conf | grep -E '^Storage='"
                  " | tail -n 1 || true").strip()  # fmt: skip
    handled = pattern.startswith("|") and stored == "Storage=none"
    assert limits.get("defaultlimitcore") == "0" or handled, f"{limits}, {pattern}, {stored}"
    setuid = kernel(host, "fs.suid_dumpable")
    assert setuid == 0, f"fs.suid_dumpable is {setuid}"


@pytest.mark.control("RP-OS-007")
def test_addresses_are_random(host):
    found = kernel(host, "kernel.randomize_va_space")
    assert found == 2, f"kernel.randomize_va_space is {found}"


@pytest.mark.control("RP-OS-008")
def test_memory_of_others_is_closed(host):
    found = kernel(host, "kernel.yama.ptrace_scope")
    assert found, "nothing sets kernel.yama.ptrace_scope"
    assert found >= 1, f"kernel.yama.ptrace_scope is {found}"


@pytest.mark.control("RP-OS-009")
def test_the_kernel_hides_its_addresses(host):
    found = [kernel(host, f"kernel.{name}_restrict") for name in ("kptr", "dmesg")]
    assert all(found), f"kptr_restrict and dmesg_restrict are {found}"


@pytest.mark.control("RP-OS-010")
def test_links_in_shared_directories_are_guarded(host):
    names = ("symlinks", "hardlinks", "fifos")
    found = {name: kernel(host, f"fs.protected_{name}") for name in names}
    assert all(found.values()), f"fs.protected_: {found}"


@pytest.mark.control("RP-OS-011")
def test_unused_modules_are_not_loaded(host):
    loadable = []
    for name in MODULES:
        answer = told(host, "modprobe --showconfig | grep -E %s || true", f"^install {name} ")
        if "/bin/false" not in answer and "/bin/true" not in answer:
            loadable.append(name)
    assert not loadable, f"may be loaded: {', '.join(loadable)}"


@pytest.mark.control("RP-OS-012")
def test_shared_memory_runs_nothing(host):
    wanted = {"/dev/shm": {"nosuid", "nodev", "noexec"}, "/tmp": {"nosuid", "nodev"}}
    for path, options in wanted.items():
        answer = host.run("findmnt --noheadings --output OPTIONS --target %s", path)
        missing = options - set(answer.stdout.strip().split(","))
        assert not missing, f"{path} is mounted without {', '.join(sorted(missing))}"


@pytest.mark.control("RP-OS-013")
def test_nothing_speaks_in_the_clear(host):
    nothing_is_said(
        host,
        f"dpkg-query --show --showformat='${{db:Status-Abbrev}} ${{Package}}\\n' {CLEAR_TEXT}"
        " 2>/dev/null | grep '^ii' || true",
        "installed",
    )


@pytest.mark.control("RP-OS-014")
def test_set_uid_programs_are_known(host):
    found = lines(host, f"{OWN_FILES} -type f -perm /6000 -print 2>/dev/null || true")
    unknown = [path for path in found if path not in SET_UID]
    assert not unknown, f"not expected: {', '.join(unknown)}"


@pytest.mark.control("RP-OS-015")
def test_nothing_is_writable_by_all(host):
    nothing_is_said(
        host,
        f"{OWN_FILES} \\( -type f -perm -0002 -o -type d -perm -0002 -not -perm -1000 \\) -print"
        " 2>/dev/null || true",
        "everybody may write",
    )


@pytest.mark.control("RP-OS-016")
def test_every_file_has_an_owner(host):
    nothing_is_said(
        host, f"{OWN_FILES} \\( -nouser -o -nogroup \\) -print 2>/dev/null || true", "nobody's"
    )


@pytest.mark.control("RP-OS-017")
def test_three_keys_do_not_restart_the_host(host):
    state = host.run("systemctl is-enabled ctrl-alt-del.target").stdout.strip()
    assert state == "masked", f"ctrl-alt-del.target is {state}"


@pytest.mark.control("RP-OS-018")
def test_no_unit_has_failed(host):
    nothing_is_said(
        host, "systemctl list-units --state=failed --plain --no-legend | cut -d' ' -f1", "failed"
    )


@pytest.mark.control("RP-OS-019")
def test_only_root_plans_jobs(host):
    if host.run("test -e /usr/bin/crontab").failed:
        told(host, "test ! -e /usr/bin/crontab")
        return
    allowed = lines(host, "cat /etc/cron.allow 2>/dev/null || echo everybody")
    assert set(allowed) <= {"root"}, f"may plan jobs: {', '.join(allowed)}"


@pytest.mark.control("RP-OS-020")
def test_unneeded_services_do_not_start(host):
    nothing_is_said(
        host,
        f"systemctl is-enabled {UNWANTED} 2>/dev/null | grep -x enabled || true",
        "services that nobody needs are enabled",
    )
