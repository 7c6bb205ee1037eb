FROM a
ENV K=vendor V=Fedora
LABEL $K=$V "${K}.url"=https://x/$V
