FROM a
ENV V=x
LABEL a=${V} b=${V:-d} c=${V:+d} d=${U} e=${U:-d} f=${V f=$ g=${ h=$$V i=${V}${V} j=$V.$V
