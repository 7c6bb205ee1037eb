FROM registry.fedoraproject.org/fedora:40
LABEL com.redhat.component="nginx-container" \
      name="fedora/nginx" \
      version="1.0" \
      release="3.fc40"
RUN dnf -y install nginx && dnf clean all
CMD ["nginx", "-g", "daemon off;"]
