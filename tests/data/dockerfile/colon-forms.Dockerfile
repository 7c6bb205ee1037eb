FROM a
ENV A=1
LABEL a=${A:-x} b=${B:-x} c=${A:+x} d=${A-x} e=${A%x}
