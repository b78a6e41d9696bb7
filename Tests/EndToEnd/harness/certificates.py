"""Certificates made by the openssl command."""

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
