FROM a
ENV A=1
LABEL a=$ b=$$ c=$$A d=\$A e="\$A" f='$A' g=$A$ h=${} i=${{A}}
