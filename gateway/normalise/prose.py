"""Words after a secret's name that are not its value."""

from __future__ import annotations

import re

PROSE = re.compile(
    r"(?:token )?(?:\d{1,3}|a|an|are|can|cannot|could|denied|does|empty|error|expected|expired"
    r"|failed|false|for|forbidden|from|got|has|have|in|incorrect|invalid|is|malformed|mismatch"
    r"|missing|must|nil|no|none|not|null|of|or|required|revoked|signature|the|too|true"
    r"|unauthorized|undefined|unexpected|unknown|unsupported|was|wrong)(?=[.,:;]?(?:\s|\Z))",
    re.IGNORECASE,
)
"""What error messages say after "token:"; hiding it would hide the reason of the failure."""

WORD = re.compile(
    r"(?:and|as|at|by|does|flag|if|instead|may|on|only|option|parameter|should|so|that|this|to|via"
    r"|when|will|with|would|argument|header|value)(?![\w-])",
    re.IGNORECASE,
)
"""The same after a name without any mark between, as in "--token will expire"."""
