ARG I="fedora:42"
FROM "$I" AS x
FROM '$I'
FROM a\ b
