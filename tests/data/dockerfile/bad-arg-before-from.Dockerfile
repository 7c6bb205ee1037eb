ARG a=1 b
FROM a
