"""Controls of ssh: what the server would really do (`sshd -T`), and its files."""

import pytest

from tests.compliance.asking import lines, nothing_is_said, sshd, told, weak

CIPHERS = (
    "chacha20-poly1305@openssh.com",
    "aes256-gcm@openssh.com",
    "aes128-gcm@openssh.com",
    "aes256-ctr",
    "aes192-ctr",
    "aes128-ctr",
)
MACS = (
    "hmac-sha2-512-etm@openssh.com",
    "hmac-sha2-256-etm@openssh.com",
    "umac-128-etm@openssh.com",
    "hmac-sha2-512",
    "hmac-sha2-256",
)
KEY_EXCHANGES = (
    "mlkem768x25519-sha256",
    "sntrup761x25519-sha512",
    "sntrup761x25519-sha512@openssh.com",
    "curve25519-sha256",
    "curve25519-sha256@libssh.org",
    "diffie-hellman-group16-sha512",
    "diffie-hellman-group18-sha512",
    "ecdh-sha2-nistp384",
    "ecdh-sha2-nistp521",
)
IDLE_S = 900


@pytest.mark.control("RP-SSH-001")
def test_nobody_logs_in_as_root(host):
    said = sshd(host)["permitrootlogin"]
    assert said == "no", f"PermitRootLogin is {said}"


@pytest.mark.control("RP-SSH-002")
def test_a_password_does_not_open_ssh(host):
    found = sshd(host)
    assert found["passwordauthentication"] == "no", "PasswordAuthentication is on"
    second = "keyboard-interactive" in found.get("authenticationmethods", "any").split(",")[1:]
    off = found["kbdinteractiveauthentication"] == "no"
    assert off or second, "keyboard-interactive may ask for a password alone"


@pytest.mark.control("RP-SSH-003")
def test_an_empty_password_opens_nothing(host):
    assert sshd(host)["permitemptypasswords"] == "no", "PermitEmptyPasswords is on"


@pytest.mark.control("RP-SSH-004")
def test_four_wrong_tries_are_the_end(host):
    tries = int(sshd(host)["maxauthtries"])
    assert tries <= 4, f"MaxAuthTries is {tries}"


@pytest.mark.control("RP-SSH-005")
def test_a_login_takes_a_minute_at_most(host):
    grace_s = int(sshd(host)["logingracetime"])
    assert 0 < grace_s <= 60, f"LoginGraceTime is {grace_s}"


@pytest.mark.control("RP-SSH-006")
def test_ssh_forwards_nothing(host):
    found = sshd(host)
    names = ("allowtcpforwarding", "allowagentforwarding", "allowstreamlocalforwarding")
    on = [name for name in (*names, "x11forwarding") if found[name] != "no"]
    assert found["disableforwarding"] == "yes" or not on, f"forwarding is on: {', '.join(on)}"


@pytest.mark.control("RP-SSH-007")
def test_ciphers_are_strong(host):
    found = weak(sshd(host)["ciphers"], CIPHERS)
    assert not found, f"weak ciphers: {', '.join(sorted(found))}"


@pytest.mark.control("RP-SSH-008")
def test_message_authentication_is_strong(host):
    found = weak(sshd(host)["macs"], MACS)
    assert not found, f"weak MACs: {', '.join(sorted(found))}"


@pytest.mark.control("RP-SSH-009")
def test_key_exchanges_are_strong(host):
    found = weak(sshd(host)["kexalgorithms"], KEY_EXCHANGES)
    assert not found, f"weak key exchanges: {', '.join(sorted(found))}"


@pytest.mark.control("RP-SSH-010")
def test_an_idle_session_ends(host):
    found = sshd(host)
    interval_s, count = int(found["clientaliveinterval"]), int(found["clientalivecountmax"])
    assert 0 < interval_s * count <= IDLE_S, f"{interval_s} s, {count} times"


@pytest.mark.control("RP-SSH-011")
def test_only_named_people_use_ssh(host):
    found = sshd(host)
    assert found.get("allowgroups") or found.get("allowusers"), "everybody may use ssh"


@pytest.mark.control("RP-SSH-012")
def test_ssh_logs_which_key_came(host):
    level = sshd(host)["loglevel"]
    assert level == "VERBOSE", f"LogLevel is {level}"


@pytest.mark.control("RP-SSH-013")
def test_private_host_keys_are_root_only(host):
    found = lines(host, "stat -c '%n %U %a' /etc/ssh/ssh_host_*_key")
    wrong = [line for line in found if not line.endswith((" root 600", " root 400"))]
    assert not wrong, f"readable by others: {', '.join(wrong)}"


@pytest.mark.control("RP-SSH-014")
def test_only_root_changes_settings_of_ssh(host):
    nothing_is_said(
        host,
        "find /etc/ssh/sshd_config* \\( ! -user root -o -perm /022 \\) -print",
        "others than root may change it",
    )


@pytest.mark.control("RP-SSH-015")
def test_ssh_trusts_no_other_word(host):
    found = sshd(host)
    wanted = {"hostbasedauthentication": "no", "ignorerhosts": "yes", "permituserenvironment": "no"}
    wrong = [name for name, value in wanted.items() if found[name] != value]
    assert not wrong, f"not as it has to be: {', '.join(wrong)}"


@pytest.mark.control("RP-SSH-016")
def test_ssh_shows_a_warning(host):
    banner = sshd(host).get("banner", "none")
    assert banner != "none", "there is no Banner"
    text = told(host, "cat -- %s", banner)
    assert "authori" in text.lower(), f"{banner} does not say who is authorised"
