"""Certificates made by the openssl command, and what tests that serve with them need."""

import ssl
import subprocess


def openssl(folder, *arguments):
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)


def certificate(folder, name, subject, days="30", ca="ca"):
    """Makes name.key and name.pem for these subjectAltNames, signed by a CA."""
    openssl(folder, "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", f"/CN={name}",
            "-keyout", f"{name}.key", "-out", f"{name}.csr")  # fmt: skip
    (folder / f"{name}.ext").write_text(f"subjectAltName={subject}\n")
    dates = ["-days", days]
    if days == "expired":
        dates = ["-not_before", "20200101000000Z", "-not_after", "20200201000000Z"]
    openssl(folder, "x509", "-req", "-in", f"{name}.csr", "-CA", f"{ca}.pem", "-CAkey", f"{ca}.key", "-CAcreateserial",
            "-extfile", f"{name}.ext", "-out", f"{name}.pem", *dates)  # fmt: skip


def authority(folder, name):
    openssl(folder, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30",
            "-subj", f"/CN={name} test CA", "-keyout", f"{name}.key", "-out", f"{name}.pem")  # fmt: skip


def self_signed(folder, name, subject):
    openssl(folder, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30",
            "-subj", f"/CN={name}", "-addext", f"subjectAltName={subject}", "-addext", "basicConstraints=CA:FALSE",
            "-keyout", f"{name}.key", "-out", f"{name}.pem")  # fmt: skip


def pair(folder, name, **more):
    """Settings that name a certificate and its key."""
    return {"cert": str(folder / f"{name}.pem"), "key": str(folder / f"{name}.key"), **more}


def trust(certificates, *, version=None, protocols=None, client=None):
    """A client's context that trusts the authority `ca`, and shows a certificate if it is given one."""
    context = ssl.create_default_context(cafile=str(certificates / "ca.pem"))
    if version:
        context.minimum_version = context.maximum_version = version
    if protocols:
        context.set_alpn_protocols(protocols)
    if client:
        context.load_cert_chain(certificates / f"{client}.pem", certificates / f"{client}.key")
    return context


def serial(connection):
    return connection.socket.getpeercert()["serialNumber"]


def subject_of(certificates, name):
    command = ["openssl", "x509", "-in", f"{name}.pem", "-noout", "-serial"]
    text = subprocess.run(command, cwd=certificates, capture_output=True, text=True, check=True).stdout
    return text.strip().removeprefix("serial=")
