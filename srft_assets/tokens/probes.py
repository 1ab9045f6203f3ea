"""Texts on which tokenizers differ most easily."""

WHITE_SPACE = (
    "",
    " ",
    "\n",
    "\n\n\n \n",
    "\t\t x",
    "   trailing   ",
    "\r\n\r\na\r",
    "\u00a0\u2003\u3000x\u2028y\u2029\u0085z",
)
WORDS = (
    "I'm you'll they'VE don't 'tis l'été ’s",
    "ſ's K'M İ'LL",
    "camelCaseHTTPServer2Go_v1",
    "1234567890 3.14159 1,000,000 0x1F ٣٤٥ ²³ ½ Ⅷ 10⁶",
    "a1b22c333 4444d",
)
SCRIPTS = (
    "läuft cafe\u0301 café A\u030a Å ﬁ ﷺ",
    "क्षि ไทย 한국어 \u1112\u1161\u11ab 漢字かな",
    "👩‍🚀👨‍👩‍👧‍👦 🇩🇪🇫 ☺️ 1️⃣",
)
ODD = (
    "\x00\x01\x1b[31m\x7f",
    "\u200b\u200d\ufeff\u202eabc\u202c \ufdd0\uffff\U0010ff00\U000e0001",
    "▁a ▁▁ Ġthe Ċ <0x0A> <unk>",
)
LONG = ("x" * 3_000, " " * 3_000 + "x", "=-" * 1_500, "é" * 2_000, "\n" * 2_000)
CODE = (
    "def f(a: int) -> None:\n    '''Doc.'''\n\treturn {**a, 'k': [x != y for x in b[::-1]]}\n",
    "diff --git a/x.py b/x.py\n@@ -1,7 +1,9 @@\n-    old\n+    new\n\\ No newline at end of file\n",
    '{"name": "bash", "arguments": {"command": "sed -i \\"s/a/b/\\" f && ls -la | head -n5"}}\n',
)

PROBES = (*WHITE_SPACE, *WORDS, *SCRIPTS, *ODD, *LONG, *CODE)
