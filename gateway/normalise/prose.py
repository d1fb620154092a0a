"""Words that follow the name of a secret in prose, and are not its value."""

from __future__ import annotations

import re

PROSE = re.compile(
    r"(?:token )?(?:\d{1,3}|a|an|are|can|cannot|could|denied|does|empty|error|expected|expired"
    r"|failed|false|for|forbidden|from|got|has|have|in|incorrect|invalid|is|malformed|mismatch"
    r"|missing|must|nil|no|none|not|null|of|or|required|revoked|signature|the|too|true"
    r"|unauthorized|undefined|unexpected|unknown|unsupported|was|wrong)(?=[.,:;]?(?:\s|\Z))",
    re.IGNORECASE,
)
"""Words that error messages have after "token:"; masking them would hide the reason of a
failure."""

WORD = re.compile(
    r"(?:and|as|at|by|does|flag|if|instead|may|on|only|option|parameter|should|so|that|this|to|via"
    r"|when|will|with|would|argument|header|value)(?![\w-])",
    re.IGNORECASE,
)
"""The same for names without a separator, as in "--token will expire"."""
