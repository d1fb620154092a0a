"""The key pair of the simulated app, and the check of what is signed with it.

RSASSA-PKCS1-v1_5 with SHA-256 (RFC 8017, 8.2.2), written out so that it shares no library with the
gateway's signatures.
"""

from __future__ import annotations

import base64
import hashlib

PRIVATE_KEY = """\
-----BEGIN RSA PRIVATE KEY-----
MIIEpAIBAAKCAQEAtpaYKLjHndhvvcHAgjoCeqnPK18htIQsO+WPejA1ldJ/M5Kf
075lUSdVYM6i6W8ZqCVjzxPiWnaVtYWKWdgsHuS8bcHw+KlT5yt7iOGTfXleVjwt
/5W2x2dwRzL1vQ5PTtBVfFthJteVyI+1390H/Pl1VbZtrYZPfw4AzSn74ZhICpxQ
d+UZb4jlg0p4tm582tB3iBZSPWCJbr6FiqhUykCczD0OP0QwUjYE924nFqEJLQNh
kFICNvWhgn1OS7Hx48hQH3cRZou0mMew+3ih2UzRKGqxPG3XRBN14EflaHxAA6jv
0jrlE8PnTsLUpCQ9yHEDTpr/d0q6pgKII6Qq9QIDAQABAoIBAA0rDj09mlPldKWc
UBx0P5KGJaVMnpssvx3wv+jBilPMUxUumW1FeXwhWJR7Qp+QPir0y153YidBDyoA
wAobv47Y00gdKRpd5+mvpqCoGCF/+9A/Vdftfbmi2aOg5r0kR475Enk+A+MvwCMv
TiAfikBx40bzubQ+kAQrR96EDSDnYZEPVjMLniTEAep2S3NjkLkU0mQzc6v2ywuH
1w0Al+1Ztf69OgFJXtRGkK8PorNBTCO2jcpDo7g5Lo8DY0mUEi7xvw8e/98WnIjY
z8D7MRBSEsEOOm8aTnZwH4euASVo8VNhWaHd3ip+cwnLucFx+CfjaPwj3oh2SqHa
STtMrg8CgYEA/bCRsBeQH55rpHjIViwXZRYP5GYvFYCS00w/tHzSJ1p3+vR3hGL/
27790/jsZfFDj2Xi7wStp3Po/qzTru2gdbmydVZSVFV92OydH6UlKsVBcVYutM8E
mxxvGXsS4Fz2gdeR9jY6mPfy2ze6HOmIXlSNUyle9l+EoFloysAm3tcCgYEAuEBD
6qPGPzShSvtG94Z3eeBYgKlmVkCxDxRWitBF3WMhFpff7fq9fG5QNvjpKfvZfKXc
QaV7PvTwREGHzwhPMHGxOFvk6IAWrhHddi+TWP2BXRsqVF6jgrBDRqjhrDkKl1jf
bjW98juvYiQnerSVqm9j7NUAGFlLCjtvdhQsRxMCgYEA3fuc35ser6wtwJM3qb+X
EQsHCPIpDQWedGnp7IK0WV8eUWeNFTiTbbNn5A2SvXkphta+hitv0HDqVb7g09Z2
a8z7zRSlocnU/vW8Xy5goVZNd2DUKb5j514wEPnSgKSXxvHcdLbq+2MrDItsvVPT
0cbmivhOcgMOyEi0G4Wb/a0CgYBvBbpm7pyMhWgTSGowyIPBmp95l5mkq4KFNZoY
NvuCNTNA6+7w9T+sdMQ8+6tzsuAQLdkUbWRgQTNtzZbJ95XP+RHyhdzfBB+mb/lk
N7Kv0sFamv3crNIV86P2NdkV76EkJVcsj5GPHsvFdUectqfgdRJfKNHP2i5PUhUN
r4YmpQKBgQClgm52UEc/c7rcmCdxbOr6/He7JQ80dNKKykEc2byOMq4A/b/gzW4z
p2uekmdTQXUQW6oaJl7mMeFVOrjUjBq1JHLg3HcKBxvF4MRLtuZ/DmWzOgqip/x4
o3cpeajCGNeo9g9wiTGRyNxcjB+B27URcAMqqlaskAwADEKGOla+GA==
-----END RSA PRIVATE KEY-----
"""
"""A 2048-bit key in PKCS #1 form, as an app's settings page gives it out. It opens nothing."""

_SIZE = 256
_MODULUS_AT = 12
"""Where the modulus starts in the DER form of a key of this size (RFC 8017, A.1.2)."""
_DIGEST_INFO = bytes.fromhex("3031300d060960864801650304020105000420")
"""What precedes a SHA-256 digest in a signature (RFC 8017, 9.2)."""


def is_signed(message: bytes, signature: bytes) -> bool:
    """Return whether the signature was made with the private key."""
    der = base64.b64decode("".join(PRIVATE_KEY.splitlines()[1:-1]))
    modulus = int.from_bytes(der[_MODULUS_AT : _MODULUS_AT + _SIZE], "big")
    opened = pow(int.from_bytes(signature, "big"), 65537, modulus).to_bytes(_SIZE, "big")
    info = _DIGEST_INFO + hashlib.sha256(message).digest()
    return opened == b"\x00\x01" + (b"\x00" + info).rjust(_SIZE - 2, b"\xff")
