"""A content generator made of Koji's own client. Reads one JSON object from standard input:

    {"server": URL, "user": NAME, "password": TEXT, "generator": NAME, "folder": FOLDER, "files": [PATHS],
     "metadata": {...}, "reserve": BOOL, "tag": TAG or null, "blocksize": BYTES}

Uploads the files and the metadata, imports, and tags. Writes one JSON object: what each call answered, in the order of the
calls; the last one may be {"fault": CODE, "text": ...}. A reserved build whose import is refused is given back as failed.
"""

import json
import os
import sys
import tempfile

import koji


def upload(session, job, path):
    session.uploadWrapper(path, job["folder"], blocksize=job["blocksize"])


def run(session, job, told):
    build = job["metadata"]["build"]
    token = None
    build["release"] = told["getNextRelease"] = session.getNextRelease(build)
    if job["reserve"]:
        told["CGInitBuild"] = reserved = session.CGInitBuild(job["generator"], {k: build[k] for k in ("name", "version", "release")})
        build["build_id"], token = reserved["build_id"], reserved["token"]
    for path in job["files"]:
        upload(session, job, path)
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "metadata.json")
        with open(path, "w", encoding="utf-8") as out:
            json.dump(job["metadata"], out)
        upload(session, job, path)
    try:
        told["CGImport"] = imported = session.CGImport("metadata.json", job["folder"], token)
    except koji.GenericError:
        if token is not None:
            session.CGRefundBuild(job["generator"], build["build_id"], token)
        raise
    told["listArchives"] = session.listArchives(buildID=imported["id"], type="image")
    if job["tag"]:
        told["tagBuild"] = session.tagBuild(job["tag"], imported["nvr"])


def main():
    job, told = json.load(sys.stdin), {}
    options = {"user": job["user"], "password": job["password"], "max_retries": 3, "retry_interval": 0}
    session = koji.ClientSession(job["server"], opts=options)
    session.login()
    try:
        run(session, job, told)
    except koji.GenericError as error:
        told["refused"] = {"fault": error.faultCode, "text": str(error)}
    print(json.dumps(told))


main()
