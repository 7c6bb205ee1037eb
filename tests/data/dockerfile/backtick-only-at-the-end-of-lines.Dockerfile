# escape=`
FROM a
LABEL a=`x` b="`" c=\`
