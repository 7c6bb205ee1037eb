
# escape=`
FROM a
LABEL a=1`
LABEL b=2 \
 c=3
