"""A bundle is what was signed, byte by byte, or it is refused before anything is written."""

import hashlib
import io
import tarfile
import tempfile
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.bundle import archive
from appliance.bundle.archive import Entry, Manifest, Refused

KEY = Ed25519PrivateKey.generate()
ABOUT = {"version": "1.0.0"}
FILES = {
    "debs/Packages": b"Package: rizzpay\n",
    "ansible/site.yml": b"---\n" * 300,
    "wheels/" + "long" * 40 + ".whl": bytes(range(256)) * 9,
    "empty": b"",
}


@pytest.fixture(scope="module")
def signed(tmp_path_factory):
    """The bytes of an archive of a few files."""
    directory = tmp_path_factory.mktemp("signed")
    return made_in(directory).read_bytes()


@pytest.fixture
def bundle(tmp_path):
    """The same archive as a file that a test may spoil."""
    return made_in(tmp_path)


def made_in(directory):
    """Write the archive."""
    root = directory / "root"
    for name, content in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    archive.write(directory / "bundle.tar", root, ABOUT, KEY)
    return directory / "bundle.tar"


def refuse(content):
    """Check that an archive of these bytes is refused."""
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory, "bundle.tar")
        file.write_bytes(content)
        refusal(file)


def refusal(file, key=KEY):
    """Return why an archive is refused, having seen that nothing was written."""
    directory = file.parent / "installed"
    before = sorted(file.parent.rglob("*"))
    with pytest.raises(Refused) as verified:
        archive.verify(file, key.public_key())
    with pytest.raises(Refused) as unpacked:
        archive.unpack(file, key.public_key(), directory)
    assert str(verified.value) == str(unpacked.value)
    assert sorted(file.parent.rglob("*")) == before
    return str(verified.value)


def rewritten(file, change):
    """Write the members of an archive anew, after `change` had its way with the list."""
    with tarfile.open(file) as tar:
        members = [(member, tar.extractfile(member).read()) for member in tar]
    change(members)
    with tarfile.open(file, "w", format=tarfile.GNU_FORMAT) as tar:
        for member, content in members:
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return file


def test_what_was_written_comes_out_again(bundle, tmp_path):
    manifest = archive.unpack(bundle, KEY.public_key(), tmp_path / "installed")
    assert manifest.about == ABOUT
    found = tmp_path / "installed"
    assert {entry.path: (found / entry.path).read_bytes() for entry in manifest.files} == FILES
    assert len([path for path in found.rglob("*") if path.is_file()]) == len(FILES)


def test_the_same_content_gives_the_same_bytes(bundle, tmp_path):
    archive.write(tmp_path / "again.tar", tmp_path / "root", ABOUT, KEY)
    assert (tmp_path / "again.tar").read_bytes() == bundle.read_bytes()


def test_any_program_for_tar_files_can_list_it(bundle):
    with tarfile.open(bundle) as tar:
        assert tar.getnames() == [archive.MANIFEST, archive.SIGNATURE, *sorted(FILES)]


def test_a_directory_that_is_there_is_not_overwritten(bundle, tmp_path):
    (tmp_path / "installed").mkdir()
    (tmp_path / "installed" / "mine").touch()
    with pytest.raises(FileExistsError):
        archive.unpack(bundle, KEY.public_key(), tmp_path / "installed")
    assert (tmp_path / "installed" / "mine").exists()


def test_another_key_is_refused(bundle):
    assert "not of this key" in refusal(bundle, Ed25519PrivateKey.generate())


def test_a_changed_file_is_refused_by_its_name(bundle):
    content = bytearray(bundle.read_bytes())
    content[content.index(b"Package: rizzpay")] ^= 1
    bundle.write_bytes(content)
    assert refusal(bundle) == "debs/Packages was changed"


def test_a_changed_list_of_files_is_refused(bundle):
    content = bundle.read_bytes().replace(b'"version": "1.0.0"', b'"version": "1.0.1"', 1)
    bundle.write_bytes(content)
    assert "list of files was changed" in refusal(bundle)


def test_a_removed_file_is_refused(bundle):
    assert "ansible/site.yml is missing" in refusal(rewritten(bundle, lambda all_: all_.pop(2)))


@pytest.mark.parametrize("position", [2, 4, 6])
def test_an_added_file_is_refused(bundle, position):
    added = (tarfile.TarInfo("debs/evil.deb"), b"evil")
    said = refusal(rewritten(bundle, lambda all_: all_.insert(position, added)))
    assert "'debs/evil.deb'" in said


def test_a_file_in_another_place_is_refused(bundle):
    swapped = rewritten(bundle, lambda all_: all_.append(all_.pop(2)))
    assert "missing or changed" in refusal(swapped)


def test_a_link_in_the_place_of_a_file_is_refused(bundle):
    def change(members):
        members[3][0].type = tarfile.SYMTYPE
        members[3][0].linkname = "/etc/shadow"

    assert "missing or changed" in refusal(rewritten(bundle, change))


@pytest.mark.parametrize("path", ["../evil", "/etc/evil", "debs/../../evil", "./evil", "a//b"])
def test_a_path_that_leads_outside_is_refused_even_when_it_is_signed(tmp_path, path):
    entry = Entry(path, 4, hashlib.sha256(b"evil").hexdigest())
    text = archive._encode(Manifest(ABOUT, (entry,)))
    with (tmp_path / "bundle.tar").open("wb") as out:
        archive._add(out, archive.MANIFEST, text)
        archive._add(out, archive.SIGNATURE, KEY.sign(text))
        archive._add(out, path, b"evil")
        out.write(bytes(-out.tell() % tarfile.RECORDSIZE))
    assert "leads out of the archive" in refusal(tmp_path / "bundle.tar")


def test_something_behind_the_end_is_refused(bundle):
    for behind in (b"\0", b"evil", bytes(tarfile.RECORDSIZE)):
        changed = bundle.with_name("changed.tar")
        changed.write_bytes(bundle.read_bytes() + behind)
        refusal(changed)


def test_a_file_that_is_no_archive_is_refused(tmp_path):
    for content in (b"", b"PK\3\4", bytes(5000), b"\xff" * 5000):
        (tmp_path / "bundle.tar").write_bytes(content)
        assert "no bundle of ours" in refusal(tmp_path / "bundle.tar")


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_a_bundle_that_is_cut_off_anywhere_is_refused(signed, data):
    length = data.draw(st.integers(0, len(signed) - 1))
    refuse(signed[:length])


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_a_bundle_with_any_bit_changed_is_refused(signed, data):
    content = bytearray(signed)
    content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    refuse(bytes(content))
