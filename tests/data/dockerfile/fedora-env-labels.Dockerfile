FROM registry.fedoraproject.org/f40/s2i-core:latest
ENV NAME=postgresql \
    VERSION=16 \
    ARCH=x86_64
ENV SUMMARY="PostgreSQL is an advanced Object-Relational database management system" \
    DESCRIPTION="Line one \
line two."
LABEL com.redhat.component="$NAME" \
      name="fedora/$NAME" \
      version="$VERSION" \
      architecture="$ARCH" \
      summary="$SUMMARY" \
      io.k8s.description="$DESCRIPTION" \
      usage="podman run -e POSTGRESQL_USER=\"user\" fedora/postgresql"
