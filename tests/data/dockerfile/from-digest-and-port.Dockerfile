FROM registry.example.com:5000/ns/img:1@sha256:0123456789abcdef
