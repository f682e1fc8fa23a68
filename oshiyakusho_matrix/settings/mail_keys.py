"""The keys of ``config.yaml`` under ``mail``: the server that takes e-mail, and from whom it comes. See ``keys``."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr

from oshiyakusho_matrix.settings import values


class MailKeys(BaseModel):
    """The mail server through which e-mail goes out; without it the registration desk stays closed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: Annotated[str, AfterValidator(values.host)] | None = Field(
        default=None,
        description="The mail server that takes our e-mail (default: none, so no e-mail is sent and the registration "
        "desk is closed). Needs sender, and a key to seal with.",
        examples=["mail.example.jp"],
    )
    port: int = Field(
        default=587,
        ge=1,
        le=65535,
        description="Its port (default 587, where mail servers take mail from programs; 465 is usual for tls).",
        examples=["587"],
    )
    security: Literal["starttls", "tls", "none"] = Field(
        default="starttls",
        description="starttls encrypts after the greeting, tls from the first byte, and without encryption nothing is "
        "sent; none is for a host on this machine alone (default starttls, which belongs to port 587). The certificate "
        "must be one that this machine trusts; SSL_CERT_FILE in the environment names a private authority.",
        examples=["starttls"],
    )
    username: Annotated[str, AfterValidator(values.one_line)] | None = Field(
        default=None,
        description="The account on the mail server (default: none, for servers that take mail by network address). "
        "Needs a password.",
        examples=["cityhall"],
    )
    password: SecretStr | None = Field(
        default=None,
        description="The password of that account; meant for the environment, OSHIYAKUSHO_MAIL__PASSWORD (default: "
        "none).",
        examples=["a long random word"],
    )
    password_file: Path | None = Field(
        default=None,
        description="A file that holds password alone, as container secrets do (default: none).",
        examples=["/run/secrets/mail_password"],
    )
    sender: Annotated[str, AfterValidator(values.mail_address)] | None = Field(
        default=None,
        description="The address that e-mail comes from and that bounces go to; of a domain whose SPF and DKIM cover "
        "the mail server (no default: it must be one that somebody reads).",
        examples=["cityhall@example.jp"],
    )
    sender_name: Annotated[str, AfterValidator(values.one_line)] | None = Field(
        default=None,
        description="The name beside that address (default: display_name, as people know it).",
        examples=["オンライン市役所"],
    )
    timeout: int = Field(
        default=60,
        ge=5,
        le=100,
        description="In seconds: how long one e-mail may take before it is tried again later, 5 to 100 (default 60: "
        "some servers let strangers wait half a minute).",
        examples=["60"],
    )
