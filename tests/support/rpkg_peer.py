"""Runs rpkg's own command line, as its example program does, under the tool's name given first.

usage: rpkg_peer.py TOOL [ARGUMENT ...]

The one thing changed is how often it polls: PEER_POLL seconds instead of 60, so that a test need not wait a minute.
"""
import argparse
import configparser
import logging
import os
import sys

import koji_cli.lib
import pyrpkg
import pyrpkg.cli


def poll_faster():
    seconds = os.environ.get('PEER_POLL')
    if not seconds:
        return
    original = koji_cli.lib.watch_tasks

    def watch_tasks(session, tasklist, *args, **kwargs):
        kwargs['poll_interval'] = float(seconds)
        return original(session, tasklist, *args, **kwargs)

    koji_cli.lib.watch_tasks = watch_tasks
    for module in (pyrpkg, pyrpkg.cli):
        if hasattr(module, 'watch_tasks'):
            module.watch_tasks = watch_tasks


def main():
    tool = sys.argv[1]
    sys.argv = [tool] + sys.argv[2:]
    poll_faster()
    finder = argparse.ArgumentParser(add_help=False)
    finder.add_argument('-C', '--config', default='/etc/rpkg/%s.conf' % tool)
    options, _ = finder.parse_known_args(sys.argv[1:])
    if not os.path.exists(options.config) and sys.argv[-1] not in ('--help', '-h'):
        sys.stderr.write('Invalid config file %s\n' % options.config)
        sys.exit(1)
    config = configparser.ConfigParser()
    config.read(options.config)
    client = pyrpkg.cli.cliClient(config, name=tool)
    client.do_imports()
    client.parse_cmdline()
    if not client.args.path:
        client.args.path = os.getcwd()
    log = pyrpkg.log
    client.setupLogging(log)
    log.setLevel(logging.DEBUG if client.args.v else logging.WARNING if client.args.q else logging.INFO)
    try:
        sys.exit(client.args.command())
    except KeyboardInterrupt:
        pass
    except Exception as error:  # as fedpkg does
        log.error('Could not execute %s: %s', client.args.command.__name__, error)
        sys.exit(1)


main()
