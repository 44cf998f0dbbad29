"""Controls of accounts: who there is, how they prove it, and what they may."""

import re

import pytest

from tests.compliance.asking import lines, nothing_is_said, settings, told

LOGIN_SHELLS = re.compile(r"/(ba|da|z|fi|k|c|tc)?sh$")
FIRST_PERSON = 1000  # Debian's adduser gives people numbers from here on
NOBODY = 65534
IDLE_S = 900
# Needs a shell for its own commands; it has no password, and nobody may use ssh as it.
SHELL_FOR_ITS_COMMANDS = {"root", "postgres", "sync"}


@pytest.mark.control("RP-ACC-001")
def test_only_root_is_number_nought(host):
    found = lines(host, "awk -F: '$3 == 0 {print $1}' /etc/passwd")
    assert found == ["root"], f"number 0: {', '.join(found)}"


@pytest.mark.control("RP-ACC-002")
def test_no_account_is_without_a_password(host):
    nothing_is_said(host, "awk -F: '$2 == \"\" {print $1}' /etc/shadow", "open to everybody")


@pytest.mark.control("RP-ACC-003")
def test_numbers_and_names_are_unique(host):
    nothing_is_said(
        host,
        "for file in passwd group; do cut -d: -f3 /etc/$file | sort | uniq -d;"
        " cut -d: -f1 /etc/$file | sort | uniq -d; done",
        "used twice",
    )


@pytest.mark.control("RP-ACC-004")
def test_nobody_logs_in_as_a_service(host):
    wrong = []
    for line in lines(host, "cut -d: -f1,3,7 /etc/passwd"):
        name, number, shell = line.split(":")
        person = FIRST_PERSON <= int(number) < NOBODY
        if not person and name not in SHELL_FOR_ITS_COMMANDS and LOGIN_SHELLS.search(shell):
            wrong.append(name)
    assert not wrong, f"have a shell: {', '.join(wrong)}"
    nothing_is_said(
        host,
        f"awk -F: '$3 < {FIRST_PERSON} && $1 != \"root\" {{print $1}}' /etc/passwd"
        " | while read -r name; do passwd --status \"$name\" | grep -E ' P ' || true; done",
        "have a password",
    )


@pytest.mark.control("RP-ACC-005")
def test_root_has_no_password(host):
    state = told(host, "passwd --status root").split()[1]
    assert state in {"L", "LK"}, f"the state of root's password is {state}"


@pytest.mark.control("RP-ACC-006")
def test_passwords_are_kept_slowly(host):
    method = told(host, "grep -E '^ENCRYPT_METHOD' /etc/login.defs || true").split()
    assert method[1:] in (["YESCRYPT"], ["SHA512"]), f"login.defs says {method}"
    nothing_is_said(
        host,
        "awk -F: '$2 ~ /^[^!*]/ && $2 !~ /^!?\\$(y|gy|6|2b)\\$/ {print $1}' /etc/shadow",
        "kept under a fast hash",
    )


@pytest.mark.control("RP-ACC-007")
def test_wrong_passwords_lock_the_account(host):
    used = told(host, "grep -lE '^[^#].*pam_faillock' /etc/pam.d/common-auth || true").strip()
    assert used, "pam_faillock is not in use"
    found = settings(told(host, "cat /etc/security/faillock.conf"))
    deny, unlock_s = int(found.get("deny", 3)), int(found.get("unlock_time", 600))
    assert deny <= 10, f"locked after {deny}"
    assert unlock_s == 0 or unlock_s >= 1800, f"unlocked after {unlock_s} s"


@pytest.mark.control("RP-ACC-008")
def test_a_new_password_is_long(host):
    used = told(host, "grep -lE '^[^#].*pam_pwquality' /etc/pam.d/common-password || true").strip()
    assert used, "pam_pwquality is not in use"
    command = "cat /etc/security/pwquality.conf /etc/security/pwquality.conf.d/*.conf 2>/dev/null"
    length = int(settings(told(host, f"{command} || true")).get("minlen", 8))
    assert length >= 12, f"{length} characters are enough"


@pytest.mark.control("RP-ACC-009")
def test_an_idle_shell_ends(host):
    idle_s = told(host, "bash -lc 'printf %s \"${TMOUT:-0}\"'").strip()
    assert 0 < int(idle_s) <= IDLE_S, f"TMOUT is {idle_s}"


@pytest.mark.control("RP-ACC-010")
def test_new_files_are_closed_to_others(host):
    mask = int(told(host, "bash -lc umask").strip(), 8)
    assert mask & 0o027 == 0o027, f"umask is {mask:04o}"


@pytest.mark.control("RP-ACC-011")
def test_sudo_has_its_terminal_and_log(host):
    found = told(host, "grep -rhE '^Defaults' /etc/sudoers /etc/sudoers.d || true")
    assert "use_pty" in found, "use_pty is off"
    assert "logfile=" in found, "there is no logfile"


@pytest.mark.control("RP-ACC-012")
def test_only_root_changes_sudo(host):
    nothing_is_said(
        host,
        "find /etc/sudoers /etc/sudoers.d \\( ! -user root -o ! -group root -o -perm /022 \\)"
        " -print; visudo --check --quiet || echo 'a file does not parse'",
        "others may change it",
    )


@pytest.mark.control("RP-ACC-013")
def test_no_account_keeps_passwords_in_files(host):
    nothing_is_said(
        host,
        "cut -d: -f6 /etc/passwd | sort -u | while read -r home; do for file in .rhosts .shosts"
        ' .netrc .pgpass .my.cnf; do [ ! -e "$home/$file" ] || echo "$home/$file"; done; done;'
        " ls /etc/hosts.equiv /etc/shosts.equiv 2>/dev/null || true",
        "there are",
    )


@pytest.mark.control("RP-ACC-014")
def test_keys_are_changed_by_their_account_alone(host):
    nothing_is_said(
        host,
        "cut -d: -f1,6 /etc/passwd | while IFS=: read -r name home; do"
        ' [ ! -e "$home/.ssh" ] || find "$home/.ssh" \\( -perm /022 -o ! -user "$name" \\)'
        " ! -type l -print; done",
        "others may change it",
    )


@pytest.mark.control("RP-ACC-015")
def test_homes_are_closed_to_others(host):
    nothing_is_said(
        host,
        f"awk -F: '$1 == \"root\" || ($3 >= {FIRST_PERSON} && $3 < {NOBODY}) {{print $6}}'"
        " /etc/passwd | while read -r home; do"
        ' [ ! -d "$home" ] || find "$home" -maxdepth 0 -perm /027 -print; done',
        "open to others",
    )


@pytest.mark.control("RP-ACC-016")
def test_no_history_holds_a_secret(host):
    nothing_is_said(
        host,
        "grep -lEis '(pass(word|wd)?|secret|token|pin)[= ]+[^ $-]{6,}' /root/.*history"
        " /home/*/.*history /var/lib/*/.*history || true",
        "looks like a secret",
    )
