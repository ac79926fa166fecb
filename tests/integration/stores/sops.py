"""Encrypts as sops 3 does, for tests: the real program is not in Debian. Its age part is real age(1).

    sops.py RECIPIENT FORMAT [OPTION=VALUE…] < plain.json > file

FORMAT is yaml, json, dotenv or ini; the plain text is a JSON object. Written from the description of
the file format, in another language and with another library than the reader that it tests.
"""
import base64
import hashlib
import json
import os
import subprocess
import sys

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

TIME = "2026-06-10T21:22:08Z"
ONLY_ENCRYPTED = bytes.fromhex("8a3fd2ad54ce66527b1034f3d147be0b0b975b3bf44f72c6fdadec8176f27d69")


def kind_and_bytes(value):
    if isinstance(value, bool):
        return "bool", str(value).encode()
    if isinstance(value, int):
        return "int", str(value).encode()
    if isinstance(value, float):
        return "float", format(value, "f").rstrip("0").encode() if "e" in repr(value) else repr(value).encode()
    return "str", value.encode()


def seal(key, kind, plain, associated):
    if not plain and kind == "str":
        return ""
    iv = os.urandom(32)
    encryptor = Cipher(algorithms.AES(key), modes.GCM(iv)).encryptor()
    encryptor.authenticate_additional_data(associated.encode())
    data = encryptor.update(plain) + encryptor.finalize()
    code = lambda b: base64.b64encode(b).decode()
    return f"ENC[AES256_GCM,data:{code(data)},iv:{code(iv)},tag:{code(encryptor.tag)},type:{kind}]"


class Encryptor:
    def __init__(self, suffix="_unencrypted", only_encrypted=False):
        self.key = os.urandom(32)
        self.suffix = suffix
        self.only = only_encrypted
        self.digest = hashlib.sha512(ONLY_ENCRYPTED if only_encrypted else b"")

    def walk(self, value, path=()):
        if isinstance(value, dict):
            return {k: self.walk(v, path + (k,)) for k, v in value.items()}
        if isinstance(value, list):
            return [self.walk(v, path) for v in value]
        if value is None:
            return None
        plain_one = any(part.endswith(self.suffix) for part in path)
        kind, plain = kind_and_bytes(value)
        if not plain_one or not self.only:
            self.digest.update(plain)
        return value if plain_one else seal(self.key, kind, plain, ":".join(path) + ":")

    def metadata(self, recipient):
        wrapped = subprocess.run(["age", "-a", "-r", recipient], input=self.key, capture_output=True, check=True)
        made = {"age": [{"recipient": recipient, "enc": wrapped.stdout.decode()}], "lastmodified": TIME,
                "mac": seal(self.key, "str", self.digest.hexdigest().upper().encode(), TIME),
                "unencrypted_suffix": self.suffix, "version": "3.9.4"}
        return {**made, "mac_only_encrypted": True} if self.only else made


def flat(value, name=""):
    if isinstance(value, dict):
        join = "__map_" if name else ""
        return {k: v for key, one in value.items() for k, v in flat(one, name + join + key).items()}
    if isinstance(value, list):
        return {k: v for i, one in enumerate(value) for k, v in flat(one, f"{name}__list_{i}").items()}
    return {name: value}


def scalar(value):
    return json.dumps(value) if not isinstance(value, str) or not value.startswith("ENC[") else value


def yaml(value, indent=0):
    pad = "    " * indent
    lines = []
    for key, one in value.items() if isinstance(value, dict) else ((None, v) for v in value):
        head = pad + ("- " if key is None else key + ":")
        if isinstance(one, (dict, list)):
            lines += [head, *yaml(one, indent + 1)] if key is not None else \
                [pad + "-", *yaml(one, indent + 1)]
        elif isinstance(one, str) and "\n" in one:
            lines += [head + " |", *(pad + "    " + line for line in one.rstrip("\n").split("\n"))]
        else:
            lines.append(head.rstrip() + " " + scalar(one))
    return lines


def encrypt(plain, recipient, form, **options):
    encryptor = Encryptor(**options)
    tree = encryptor.walk(plain)
    metadata = encryptor.metadata(recipient)
    text = lambda v: str(v).lower() if isinstance(v, bool) else str(v).replace("\n", "\\n")
    if form == "json":
        return json.dumps({**tree, "sops": metadata}, indent=4)
    if form == "yaml":
        return "# a comment\n" + "\n".join(yaml({**tree, "sops": metadata})) + "\n"
    if form == "dotenv":
        return "".join(f"{k}={text(v)}\n" for k, v in {**tree, **flat(metadata, "sops")}.items()
                       ).replace("sops__map_", "sops_")
    sections = {**tree, "sops": flat(metadata)}
    return "".join(f"[{name}]\n" + "".join(f"{k} = {text(v)}\n" for k, v in members.items()) + "\n"
                   for name, members in sections.items())


if __name__ == "__main__":
    options = {}
    for one in sys.argv[3:]:
        name, setting = one.split("=")
        options[name] = setting == "true" if name == "only_encrypted" else setting
    sys.stdout.write(encrypt(json.load(sys.stdin), sys.argv[1], sys.argv[2], **options))
