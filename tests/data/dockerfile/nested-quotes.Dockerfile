FROM a
LABEL a="it's \"so\"" b='say "hi"' c="x"'y'z
