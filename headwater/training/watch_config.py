"""What a recipe may say about watching a run: who is told, what is measured beside. It changes nothing that is computed and is in no
fingerprint: what it asks for goes into the journal, never into metrics.jsonl."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from headwater.core.config import Config


class WandB(Config):
    """Weights & Biases (wandb.ai). Offline it writes into the journal, and `wandb sync` sends that when its owner wants it to."""

    kind: Literal["wandb"]
    project: str = "headwater"
    mode: Literal["offline", "online"] = "offline"


class MLflow(Config):
    """MLflow (mlflow.org). Without a `uri` it writes into a database in the journal (`mlflow ui --backend-store-uri sqlite:///…`)."""

    kind: Literal["mlflow"]
    experiment: str = "headwater"
    uri: str | None = Field(default=None, description="a tracking server, or a database of MLflow's; null: journal/mlflow.db")


class Trackio(Config):
    """Trackio (Hugging Face's dashboard; `trackio show`). Without a `space` all stays in its own folder on this machine."""

    kind: Literal["trackio"]
    project: str = "headwater"
    space: str | None = Field(default=None, description="a Space that shows it (user/name), to which it is then sent; null: none")


SinkConfig = Annotated[WandB | MLflow | Trackio, Field(discriminator="kind")]


class ProfileConfig(Config):
    """Where the time of some steps goes: journal/profile.md, and a trace for chrome://tracing or Perfetto beside it."""

    after: int = Field(default=10, ge=0, description="steps that pass before; the first ones are slower than those that follow")
    steps: PositiveInt = 5


EventName = Literal["incident", "rollback", "reload", "lost", "done"]
WORTH_TELLING: tuple[EventName, ...] = ("rollback", "reload", "lost", "done")


class Command(Config):
    """A program of one's own, which is given the event as JSON on its standard input."""

    kind: Literal["command"]
    run: tuple[str, ...] = Field(min_length=1, description="the program and its arguments, without a shell")
    on: tuple[EventName, ...] = WORTH_TELLING
    timeout: PositiveFloat = 30.0


class Webhook(Config):
    """The event as JSON by POST; its `text` is what chat services show."""

    kind: Literal["webhook"]
    url: str | None = Field(default=None, pattern=r"^https?://")
    url_from: str | None = Field(default=None, description="or the environment variable that has it, where it is a secret")
    on: tuple[EventName, ...] = WORTH_TELLING
    timeout: PositiveFloat = 10.0

    @model_validator(mode="after")
    def _knows_where(self) -> Self:
        if (self.url is None) == (self.url_from is None):
            raise ValueError("a webhook has either a url or the environment variable that holds it (url_from)")
        return self


class Mail(Config):
    """A mail by SMTP."""

    kind: Literal["mail"]
    to: tuple[str, ...] = Field(min_length=1)
    sender: str = "headwater@localhost"
    host: str = "localhost"
    port: PositiveInt = 25
    tls: bool = False
    user: str | None = None
    password_from: str = Field(default="HEADWATER_MAIL_PASSWORD", description="the environment variable that holds it")
    on: tuple[EventName, ...] = WORTH_TELLING
    timeout: PositiveFloat = 30.0


AlertConfig = Annotated[Command | Webhook | Mail, Field(discriminator="kind")]


class WatchConfig(Config):
    """Sinks beside metrics.jsonl and TensorBoard, norms by part, the profiler, alerts."""

    every: PositiveInt | None = Field(
        default=100, description="steps between two rows of journal/norms.jsonl (gradients, updates, activations by part); null: none"
    )
    sinks: tuple[SinkConfig, ...] = Field(default=(), description="who is told beside; nothing leaves the machine unless one says so")
    profile: ProfileConfig | None = None
    alerts: tuple[AlertConfig, ...] = Field(default=(), description="who is told of incidents, rollbacks and the end")
