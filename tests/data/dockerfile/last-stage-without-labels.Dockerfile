FROM a
LABEL a=1
FROM scratch
COPY --from=0 / /
