"""Django in one file: a view that renders a template."""
import time

import django
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse
from django.template import Context, Engine
from django.urls import path

settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], SECRET_KEY="test", DEBUG=False)
django.setup()


def compute():
    end, rounds = time.thread_time() + 0.02, 0
    while time.thread_time() < end:
        rounds += 1
    return rounds


TEMPLATE = Engine().from_string("{{ rounds }}")


def view(request):
    return HttpResponse(TEMPLATE.render(Context({"rounds": compute})))


urlpatterns = [path("", view)]
app = get_wsgi_application()
