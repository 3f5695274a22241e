"""Runs a real Patchwork, or gives it mails; ../patchwork-server calls it.

    serve CHECKOUT FOLDER [PORT]
    feed CHECKOUT FOLDER MAIL...

The projects are linuxppc-dev, skiboot, kvm-ppc and qemu-ppc. The user "patchlift-bot" maintains all of them, and his
token is 40 times "a", which is also written to FOLDER/token; the user "outsider" has 40 times "b".

`serve` says "listening PORT". With PORT it runs until it is stopped. Without, it ends when its input ends, and answers
each line of it with one line:

    mail PATH       takes in the mail in that file, as `manage.py parsemail` does; "taken" or "refused: WHY"
"""

import logging
import os
import sys
import threading

LISTS = {
    'linuxppc-dev': 'linuxppc-dev.lists.ozlabs.org',
    'skiboot': 'skiboot.lists.ozlabs.org',
    'kvm-ppc': 'kvm-ppc.vger.kernel.org',
    'qemu-ppc': 'qemu-ppc.nongnu.org',
}


def configure(checkout, folder):
    sys.path.insert(0, checkout)
    # The checkout may be one that nobody may write.
    sys.dont_write_bytecode = True
    os.environ['DATABASE_TYPE'] = 'sqlite3'
    os.environ['DATABASE_NAME'] = os.path.join(folder, 'patchwork.db')
    os.environ['DJANGO_SETTINGS_MODULE'] = 'patchwork.settings.dev'
    import django
    from django.conf import settings

    # A page about an error would need the debug toolbar's templates.
    settings.DEBUG = False
    # Mails are fed by one process while another one answers.
    settings.DATABASES['default']['OPTIONS'] = {'timeout': 30}
    django.setup()


def fill(folder):
    from django.contrib.auth.models import User
    from django.core.management import call_command
    from patchwork.models import Project
    from rest_framework.authtoken.models import Token

    call_command('migrate', verbosity=0, interactive=False)
    if User.objects.exists():
        return
    try:
        call_command('loaddata', 'default_states', 'default_tags', verbosity=0)
    except Exception as error:  # Older fixtures have other names; states are what counts.
        print('fixtures:', error, file=sys.stderr)
    for name, list_id in LISTS.items():
        address = '@'.join(list_id.split('.', 1))
        Project.objects.create(linkname=name, name=name, listid=list_id, listemail=address)
    for name, letter in (('patchlift-bot', 'a'), ('outsider', 'b')):
        user = User.objects.create_user(name, name + '@example.org', None)
        Token.objects.filter(user=user).delete()
        Token.objects.create(user=user, key=letter * 40)
        if name == 'patchlift-bot':
            user.profile.maintainer_projects.set(Project.objects.all())
            token = os.open(os.path.join(folder, 'token'), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(token, 'w') as file:
                file.write(letter * 40 + '\n')


def take(path):
    from django.core.management import call_command

    try:
        call_command('parsemail', path)
    except SystemExit as ended:
        return 'taken' if not ended.code else 'refused: exit code %s' % ended.code
    except Exception as error:
        return 'refused: %s' % str(error).replace('\n', ' ')
    return 'taken'


def serve(folder, port):
    import waitress
    from django.core.wsgi import get_wsgi_application

    # It warns of every request that has to wait for a thread.
    logging.getLogger('waitress.queue').setLevel(logging.ERROR)
    fill(folder)
    server = waitress.create_server(
        get_wsgi_application(), host='127.0.0.1', port=int(port or 0), threads=4, clear_untrusted_proxy_headers=True
    )
    print('listening', server.effective_port, flush=True)
    if port is not None:
        server.run()
        return
    threading.Thread(target=server.run, daemon=True).start()
    for line in sys.stdin:
        command, _, rest = line.strip().partition(' ')
        print(take(rest) if command == 'mail' else 'refused: unknown command', flush=True)


def mails(paths):
    for path in paths:
        if not os.path.isdir(path):
            yield path
            continue
        for folder, folders, files in os.walk(path):
            folders.sort()
            yield from (os.path.join(folder, name) for name in sorted(files))


def feed(paths):
    """Takes in all of them, whatever becomes of one."""
    failed = 0
    for path in mails(paths):
        answer = take(path)
        if answer != 'taken':
            failed += 1
            print('%s: %s' % (path, answer), file=sys.stderr)
    return 1 if failed else 0


def main():
    what, checkout, folder, *rest = sys.argv[1:]
    configure(checkout, folder)
    if what == 'feed':
        sys.exit(feed(rest))
    serve(folder, rest[0] if rest else None)


main()
