# syntax=docker/dockerfile:1
# escape=`
FROM a
LABEL a=1 `
  b=C:\d
