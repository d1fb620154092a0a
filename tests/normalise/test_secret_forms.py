# ruff: noqa: E501, Q
# One case per line, with the original quotes.

r"""All forms in which a secret's name and value are written, and texts that only look like one.

To add a form, add a line with S3cr in place of the secret: it has to become ``***``, and the rest
has to stay. Where S3cr must stay, add the line to HARMLESS.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.normalise.redaction import MASK, redact_json, redact_text

S = "S3cr"

TEXTS = [
    # Encoded and serialised
    "&lt;password&gt;S3cr&lt;/password&gt;",
    "{&quot;password&quot;:&quot;S3cr&quot;}",
    '<div data-x="{&quot;password&quot;:&quot;S3cr&quot;}">',
    "{\\u0022password\\u0022:\\u0022S3cr\\u0022",
    's:8:"password";s:4:"S3cr";',
    "password: !!str S3cr",
    "password: !Sub S3cr",
    # Program text
    '{:password, "S3cr"}',
    '{password,<<"S3cr">>}',
    '(password . "S3cr")',
    'setPassword("S3cr")',
    "client.withApiKey('S3cr')",
    'ConvertTo-SecureString "S3cr" -AsPlainText',
    # Commands of Windows and npm
    "npm config set //registry.x/:_authToken S3cr",
    "psexec -u a -p S3cr cmd",
    "smbclient -U user%S3cr //h/s",
    "net use X: /user:bob S3cr",
    "snmpwalk -v3 -A S3cr",
    # Form bodies
    "user%5Bpassword%5D=S3cr",
    "user%5Bpassword%5D=S3cr&a=1",
    "a=1&user%255Bpassword%255D=S3cr",
    "user[password]=S3cr",
    "user[0][client_secret]=S3cr&x=1",
    "user.password=S3cr&x=1",
    "password[]=S3cr&a=1",
    "password%5B%5D=S3cr",
    "password[0]=S3cr",
    "x=1&fields%5B0%5D%5Bname%5D=password&fields%5B0%5D%5Bvalue%5D=S3cr",
    "name=password&value=S3cr",
    "password%3DS3cr%26page%3D2",
    "password%253DS3cr%2526page%253D2",
    "%7B%22password%22%3A%22S3cr%22%7D",
    "%257B%2522password%2522%253A%2522S3cr%2522%257D",
    '--b\r\nContent-Disposition: form-data; name="password"\r\n\r\nS3cr\r\n--b--\r\n',
    '--b\nContent-Disposition: form-data; name="user[api_key]"\nContent-Type: text/plain\n\nS3cr\n--b--',
    "Content-Disposition: form-data; name=token\r\n\r\nS3cr",
    '{"body":"form-data; name=\\"password\\"\\r\\n\\r\\nS3cr\\r\\n--b',
    # Configuration: INI, .env, properties, YAML, TOML, HCL
    "[db]\nuser = bob\npassword           = S3cr\nhost = h",
    "DB_PASS=S3cr\nDB_USER=bob",
    "export MYSQL_PWD=S3cr",
    "spring.datasource.password=S3cr",
    "db.password : S3cr",
    "API_KEY := S3cr",
    "API_KEY ?= S3cr",
    "password: |\n  S3cr\nuser: bob",
    "password: >-\n    S3cr\n    S3cr\nuser: bob",
    "env:\n- name: DB_PASSWORD\n  value: S3cr\n- name: LEVEL\n  value: info",
    "- name: 'DB_PASSWORD'\n  value: 'S3cr'",
    'name = "db_password"\nvalue = "S3cr"',
    'set {\n  name  = "auth.token"\n  value = "S3cr"\n}',
    'variable "x" {\n  db_password = "S3cr"\n}',
    'password = """S3cr',
    "db:\n  password:\n    S3cr\n  user: bob",
    "SECRET_KEY_BASE=S3cr",
    "requirepass S3cr",
    "machine h login bob password S3cr",
    "//registry.example.test/:_authToken=S3cr",
    "_auth=S3cr",
    "proxy_set_header X-Api-Key S3cr;",
    'RequestHeader set X-Api-Key "S3cr"',
    "ENV DB_PASSWORD S3cr",
    'setx API_KEY "S3cr"',
    "SetEnv DB_PASSWORD S3cr",
    # XML and HTML
    '<add key="DbPassword" value="S3cr"/>',
    "<add value='S3cr' key='DbPassword' />",
    '<property name="password">S3cr</property>',
    '<property name="password" value="S3cr"></property>',
    '<user name="bob" password="S3cr"/>',
    '<entry key="db.password">S3cr</entry>',
    '<string name="api_key">S3cr</string>',
    "<param><name>password</name><value>S3cr</value></param>",
    "<member><name>password</name><value><string>S3cr</string></value></member>",
    "<dict><key>password</key><string>S3cr</string></dict>",
    '<password value="S3cr"/>',
    '<Parameter Name="Token"><Value>S3cr</Value></Parameter>',
    '<add key="DbPassword" value="S3cr"/> bob',
    '<wsse:Password Type="x">S3cr</wsse:Password>',
    '<input type="password" name="p" value="S3cr">',
    '<add key=\\"DbPassword\\" value=\\"S3cr\\"/>',
    # Command lines
    "gh --token S3cr list",
    "--token S3cr",
    "--token=S3cr",
    "--token 'S3cr' list",
    "deploy --api-key S3cr --verbose",
    "deploy -token S3cr",
    "deploy --X-Api-Key S3cr",
    "mysql -u root -pS3cr db",
    "mysqldump -uroot -p'S3cr' db",
    "mysqladmin --password=S3cr",
    "run -pS3cr42",
    "sshpass -p S3cr ssh h",
    "sshpass -pS3cr ssh h",
    "docker login -u bob -p S3cr registry.example.test",
    "mongo -u bob -p S3cr",
    "redis-cli -h h -a S3cr ping",
    "sqlcmd -S h -U sa -P S3cr",
    "ldapsearch -D cn=a -w S3cr",
    "openssl rsa -passin pass:S3cr",
    "curl -u admin:S3cr https://h.example.test/",
    "curl -uadmin:S3cr https://h.example.test/",
    "curl --user 'admin:S3cr' https://h.example.test/",
    "curl --user=admin:S3cr https://h.example.test/",
    "curl --proxy-user admin:S3cr",
    "curl -H 'X-Api-Key: S3cr' https://h.example.test/",
    "curl -b 'sid=S3cr' https://h.example.test/",
    "curl --cookie 'sid=S3cr' https://h.example.test/",
    "http -a admin:S3cr h.example.test",
    "PGPASSWORD=S3cr psql -h h",
    "PGPASSWORD='S3cr' psql -h h",
    "['deploy', '--token', 'S3cr']",
    "$env:API_KEY = 'S3cr'",
    "sqlplus bob/S3cr@h:1521/db",
    # SQL and connection strings
    "CREATE USER bob IDENTIFIED BY 'S3cr'",
    "CREATE USER bob IDENTIFIED WITH mysql_native_password BY 'S3cr'",
    "ALTER USER bob WITH ENCRYPTED PASSWORD 'S3cr';",
    "CREATE LOGIN bob WITH PASSWORD = N'S3cr'",
    "SET PASSWORD FOR bob = PASSWORD('S3cr')",
    "UPDATE users SET password='S3cr' WHERE id=1",
    "INSERT INTO users (name, password, age) VALUES ('bob', 'S3cr', 4)",
    "Server=h;User Id=sa;Password=S3cr;Timeout=5",
    'Server=h;Pwd="S3cr";Timeout=5',
    "Driver={x};UID=sa;PWD={S3cr};",
    "host=h user=bob password=S3cr dbname=d",
    "jdbc:mysql://h:3306/d?user=bob&password=S3cr",
    "jdbc:oracle:thin:bob/S3cr@h:1521/d",
    "postgresql://u:S3cr@h/d",
    # Program text, logs and prose
    '("X-Api-Key", "S3cr")',
    "[('password', 'S3cr'), ('a', 'b')]",
    'cut off: [["X-Api-Key","S3cr',
    'request.setHeader("Authorization", "S3cr")',
    "{Password:S3cr Name:bob}",
    "[password] => S3cr",
    '["password"]=>\n  string(4) "S3cr"',
    'config["password"] = "S3cr"',
    "password=b'S3cr'",
    "password -> S3cr",
    "**Password:** S3cr",
    "**Password**: S3cr",
    "`api_key`: S3cr",
    '"{\\"name\\":\\"DB_PASSWORD\\",\\"value\\":\\"S3cr\\"}"',
    '{"name":"DB_PASSWORD","value":"S3cr","cut":"o',
    "{'key': 'DB_PASSWORD', 'value': 'S3cr'}",
    "X-Api-Key: S3cr\r\nHost: h",
    "Cookie: sid=S3cr; a=b\r\nHost: h",
    "Set-Cookie: sid=S3cr\r\nHost: h",
    "\u043f\u0430\u0440\u043e\u043b\u044c: S3cr",
    "\u5bc6\u7801\uff1aS3cr",
    # Two labels in a row
    "deep: name=password&value=S3cr&",
    'I= key="DbPassword" value="S3cr"/> bob',
]  # fmt: skip


@pytest.mark.sampled(5)
@pytest.mark.parametrize("text", TEXTS)
def test_only_the_secret_in_a_text_is_masked(text: str) -> None:
    """Bodies, error messages and URLs come in any form, and are shown to every caller."""
    for framed in (text, f"start\n{text}", json.dumps({"a": text}), json.dumps([json.dumps(text)])):
        clean = redact_text(framed)
        assert S not in clean
        assert MASK in clean
        assert redact_text(clean) == clean
    assert S not in json.dumps(redact_json({"a": [text]}))
    for word in ("bob", "LEVEL", "info", "Host", "verbose", "example", "Timeout", "list", "start"):
        assert (word in text) <= (word in redact_text(text))


DOCUMENTS = [
    ["X-Api-Key", S],
    ["password", S],
    [["X-Api-Key", S], ["Host", "h"]],
    {"headers": [["Authorization", S], ["Host", "h"]]},
    ["Host", "h", "X-Api-Key", S],
    {"label": "password", "value": S},
    {"ParameterKey": "DbPassword", "ParameterValue": S},
    {"Key": "DB_PASS", "Value": S},
    {"NAME": "DB_PASSWORD", "VALUE": S},
    {"Name": "/prod/db/password", "Value": S},
    {"OptionName": "DBPassword", "OptionSettings": 1, "Value": S},
    {"@name": "password", "@value": S},
    {"@key": "password", "#text": S},
    {"k": "password", "v": S},
    {"field": "password", "value": S},
    {"id": "password", "val": S},
    {"name": "Authorization", "values": [S, S]},
    {"name": "X-Functions-Key", "value": S},
    {"key": "db.password", "value": {"stringValue": S}},
    {"title": "Password:", "value": S},
    {"question": "Your password", "answer": S},
    {"name": "password", "content": S},
    {"field": "password", "from": S, "to": S},
    {"field": {"name": "password"}, "value": S},
    {"names": ["user", "password"], "values": ["bob", S]},
    {"name": "x", "type": "password", "value": S},
    {"DB_PASS": S},
    {"SMTP-PASS": S},
    {"pw": S},
    {"passcode": S},
    {"ssh_key": S},
    {"password": {"new": S}},
    {"passwords": [S]},
    {"op": "replace", "path": "/user/password", "value": S},
    {"op": "add", "path": "/apiKey", "value": S},
    {"kind": "Secret", "data": {"a": S}, "stringData": {"user": S}},
    {"columns": ["id", "password"], "rows": [["1", S]]},
    {"args": ["gh", "--token", S]},
    {"args": ["mysql", "-u", "root", f"-p{S}"]},
    {"args": ["mysql", f"-p{S}"]},
    {"args": ["mysqldump", f"-p{S}"]},
    {"args": ["sshpass", "-p", S, "ssh"]},
    {"args": ["curl", "-u", f"admin:{S}"]},
    {"args": ["curl", "-H", f"X-Api-Key: {S}"]},
    {"args": ["redis-cli", "-a", S]},
    {"env": ["A=1", f"DB_PASSWORD={S}"]},
]


@pytest.mark.parametrize("document", DOCUMENTS, ids=str)
def test_secret_in_a_document_is_masked(document: Any) -> None:
    clean = json.dumps(redact_json(document))
    assert S not in clean
    assert MASK in clean
    assert S not in redact_text(json.dumps({"a": json.dumps(document)}))


@pytest.mark.parametrize("secret", ["SuperSecret1!", "Password1", "api-token-77x"])
@pytest.mark.parametrize("document", DOCUMENTS, ids=str)
def test_secret_that_reads_like_a_name_of_a_secret_is_masked(document: Any, secret: str) -> None:
    """People like to have the word password in their passwords."""
    written = json.dumps(document).replace(S, secret)
    assert secret not in json.dumps(redact_json(json.loads(written)))
    assert secret not in redact_text(written)


HARMLESS = [
    "password_reset_sent_at: 2026-11-28",
    "passwordPolicy=strict",
    "password_length: 8",
    "curl -u https://x.example",
    "a=1&amp;level=&quot;S3cr&quot;",
    "{\\u0022level\\u0022:\\u0022S3cr\\u0022}",
    's:5:"level";s:4:"S3cr";',
    'setLevel("S3cr")',
    'getPassword("S3cr")',
    "smbclient -U S3cr //h/s",
    "password reset email sent",
    "the password of bob was changed",
    "--token is required",
    "use --password to log in",
    "set the token and retry",
    "unknown option --token",
    "tests_passed: 5, tests_failed=1",
    "mkdir -p S3cr",
    "docker run -p 8080:80 S3cr",
    "ssh -p 2222 S3cr",
    "docker run -u 1000:1000 S3cr",
    "tar -xzf S3cr.tgz",
    "curl -v S3cr",
    "name: LEVEL\nvalue: S3cr",
    '<add key="LogLevel" value="S3cr"/>',
    "<param><name>level</name><value>S3cr</value></param>",
    'form-data; name="level"\r\n\r\nS3cr\r\n--b',
    '("level", "S3cr")',
    "level%3DS3cr%26page%3D2",
    "IDENTIFIED S3cr",
    "INSERT INTO t (a, b) VALUES ('S3cr', 'x')",
    "bypass: S3cr",
    "compass=S3cr",
    "invalid token: expired",
    "the key is missing",
    "max_tokens: 512",
    "password:\n  type: string",
    "curl --key S3cr.pem",
    '("key", "S3cr")',
    "env LEVEL S3cr",
]
HARMLESS_DOCUMENTS = [
    {"passwordChanged": "2026-11-28"},
    {"password_policy": S},
    {"op": "replace", "path": "/level", "value": S},
    {"method": "POST", "path": "/api/token", "text": S},
    {"kind": "Pod", "data": {"a": S}},
    {"columns": ["id", "level"], "rows": [["1", S]]},
    ["level", S],
    ["a", "b", "c"],
    {"label": "level", "value": S},
    {"name": "Bob", "value": S},
    {"key": "DEV-1", "value": S},
    {"names": ["user"], "values": [S]},
    {"args": ["mkdir", "-p", S]},
    {"args": ["ls", "-l", S]},
    {"name": "Primary key", "value": S},
    {"required": ["name", "email", "age"]},
    {"projectKey": S, "pass": True},
]


@pytest.mark.parametrize("text", HARMLESS)
def test_harmless_text_is_unchanged(text: str) -> None:
    """A log that is masked needlessly is useless to its reader."""
    assert redact_text(text) == text


@pytest.mark.parametrize("document", HARMLESS_DOCUMENTS, ids=str)
def test_harmless_document_is_unchanged(document: Any) -> None:
    assert redact_json(document) == document
