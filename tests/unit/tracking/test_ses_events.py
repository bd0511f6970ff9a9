"""Every shape of Amazon's documentation is read, and nothing else does harm."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eed_delivery.events import DeliveryOutcome, EventKind, TrackingEvent
from eed_delivery.tracking.ses.parsing import parse
from eed_delivery.tracking.ses.sns_envelope import EVENT_TYPES
from tests.examples import examples
from tests.unit.tracking import ses_examples as ses
from tests.unit.tracking.ses_examples import ANNA, BERTA, CARLA, Json

SENT_AT = datetime(2026, 3, 2, 8, 0, 0, 125000, UTC)
TOLD_AT = datetime(2026, 3, 2, 8, 1, 2, 669000, UTC)
HARD, SOFT = DeliveryOutcome.HARD_BOUNCED, DeliveryOutcome.SOFT_BOUNCED


def only(event: Json) -> TrackingEvent:
    (one,) = parse(ses.raw(event))
    return one


def expected(kind: EventKind, at: datetime = TOLD_AT, recipient: str | None = ANNA) -> TrackingEvent:
    """One with our tags that says no more than its kind."""
    return TrackingEvent(
        event_id="", kind=kind, occurred_at=at, email_id=17, gen=2, message_id=ses.MESSAGE_ID, recipient=recipient
    )


PUBLISHED: dict[str, TrackingEvent] = {
    "Bounce": replace(
        expected(EventKind.BOUNCE),
        outcome=HARD,
        sub_type="General",
        code=550,
        enhanced="5.1.1",
        detail="smtp; 550 5.1.1 user unknown",
    ),
    "Complaint": replace(
        expected(EventKind.COMPLAINT),
        outcome=DeliveryOutcome.COMPLAINED,
        sub_type="abuse",
        detail="abuse by Example Feedback Loop (V0.01)",
    ),
    "Delivery": replace(
        expected(EventKind.DELIVERY),
        outcome=DeliveryOutcome.DELIVERED,
        code=250,
        enhanced="2.6.0",
        detail="250 2.6.0 Message received",
    ),
    "Send": expected(EventKind.SEND, SENT_AT),
    "Reject": replace(expected(EventKind.REJECT, SENT_AT), detail="Bad content"),
    "Open": replace(expected(EventKind.OPEN), user_agent=ses.FIREFOX),
    "Click": replace(expected(EventKind.CLICK), detail="https://example.com/march?from=news", user_agent=ses.FIREFOX),
    "Rendering Failure": replace(
        expected(EventKind.RENDERING_FAILURE, SENT_AT),
        detail="March: Attribute 'town' is not present in the rendering data.",
    ),
    "DeliveryDelay": replace(
        expected(EventKind.DELAY),
        sub_type="TransientCommunicationFailure",
        code=421,
        enhanced="4.4.1",
        detail="smtp; 421 4.4.1 Unable to connect to remote host",
    ),
    "Subscription": replace(
        expected(EventKind.SUBSCRIPTION),
        sub_type="UnsubscribeHeader",
        detail="Readers: unsubscribed from all, Offers OptOut",
    ),
}


@pytest.mark.parametrize("name", ses.PUBLISHED)
def test_each_published_record_of_the_documentation(name: str) -> None:
    event = only(ses.PUBLISHED[name]())
    assert replace(event, event_id="") == PUBLISHED[name]
    assert len(event.event_id) == 32


def test_each_older_notification_of_the_documentation() -> None:
    def facts(name: str) -> list[tuple[object, ...]]:
        events = parse(ses.raw(ses.FEEDBACK[name]()))
        assert {(e.email_id, e.gen, e.message_id) for e in events} == {(None, None, ses.MESSAGE_ID)}
        assert {e.occurred_at for e in events} == {TOLD_AT}
        return [(e.recipient, e.outcome, e.sub_type, e.code, e.enhanced, e.detail) for e in events]

    dsn = (ANNA, HARD, "General", 550, "5.1.1", "smtp; 550 5.1.1 <***@example.com>... User")
    assert facts("bounce with a DSN") == [dsn]
    assert facts("bounce without a DSN") == [
        (ANNA, HARD, "General", None, None, ""),
        (CARLA, HARD, "General", None, None, ""),
    ]
    assert facts("bounce of two kinds") == [
        (ANNA, HARD, "General", 550, "5.0.0", "smtp; 550 user unknown"),
        (BERTA, SOFT, "General", None, "4.0.0", ""),
    ]
    assert facts("bounce of Postfix") == [(ANNA, HARD, "General", None, "5.0.0", "X-Postfix; unknown user")]
    complained = DeliveryOutcome.COMPLAINED
    report = "abuse by Example Feedback Loop (V0.01)"
    assert facts("complaint with a report") == [(ANNA, complained, "abuse", None, None, report)]
    assert facts("complaint without a report") == [(ANNA, complained, "", None, None, "")]
    accepted = "250 ok: Message 64111812 accepted"
    assert facts("delivery") == [(ANNA, DeliveryOutcome.DELIVERED, "", 250, None, accepted)]


@pytest.mark.parametrize("headers", [True, False])
def test_headers_are_a_setting_and_change_nothing(headers: bool) -> None:
    event = ses.feedback_delivery()
    assert only(event | {"mail": ses.mail(tagged=False, headers=headers)}) == only(event)


# -- bounces

PERMANENT = (
    "General",
    "NoEmail",
    "Suppressed",
    "OnAccountSuppressionList",
    "OnTenantSuppressionList",
    "EmailValidationSuppressed",
    "UnsubscribedRecipient",
)
TRANSIENT = (
    "General",
    "MailboxFull",
    "MessageTooLarge",
    "CustomTimeoutExceeded",
    "ContentRejected",
    "AttachmentRejected",
)
BOUNCES = [
    *(("Permanent", sub, HARD) for sub in PERMANENT),
    *(("Transient", sub, SOFT) for sub in TRANSIENT),
    ("Undetermined", "Undetermined", SOFT),
]


@pytest.mark.parametrize(("kind", "sub_type", "outcome"), BOUNCES)
def test_each_type_of_bounce(kind: str, sub_type: str, outcome: DeliveryOutcome) -> None:
    event = only(ses.bounce(kind, sub_type))
    assert (event.outcome, event.sub_type, event.automatic) == (outcome, sub_type, False)


@pytest.mark.parametrize(("kind", "sub_type", "outcome"), [b for b in BOUNCES if b[:2] != ("Transient", "General")])
def test_a_bounce_without_a_dsn_is_a_bounce(kind: str, sub_type: str, outcome: DeliveryOutcome) -> None:
    event = only(ses.bounce_without_dsn(kind, sub_type))
    assert (event.outcome, event.automatic, event.code, event.enhanced, event.detail) == (
        outcome,
        False,
        None,
        None,
        "",
    )


def _permanent(sub_type: str, status: str, diagnostic: str) -> DeliveryOutcome | None:
    event = ses.bounce("Permanent", sub_type)
    event["bounce"]["bouncedRecipients"] = [{"emailAddress": ANNA, "status": status, "diagnosticCode": diagnostic}]
    return only(event).outcome


@pytest.mark.parametrize(
    ("status", "diagnostic", "outcome"),
    [
        ("5.1.1", "smtp; 550 5.1.1 user unknown", HARD),
        ("5.0.0", "smtp; 550 rejected", HARD),  # SES says so, and nobody else says anything
        ("", "", HARD),
        ("5.4.4", "smtp; 550 5.4.4 Invalid domain", HARD),
        ("5.7.26", "smtp; 550-5.7.26 Unauthenticated email is not accepted due to domain's DMARC policy", SOFT),
        ("5.7.1", "smtp; 554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org", SOFT),
        ("5.1.1", "smtp; 550 5.1.1 192.0.2.1 is listed in a block list", SOFT),
        ("5.2.2", "smtp; 552 5.2.2 The recipient's mailbox is full", SOFT),
        ("5.0.0", "smtp; 5.1.0 - Unknown address error 550-'SPF check failed' (delivery attempts: 0)", SOFT),
        ("5.7.1", "smtp; 550 5.7.1 Message rejected", SOFT),
        ("5.7.1", "smtp; 550 5.7.1 No such user!", HARD),
    ],
)
def test_a_permanent_general_bounce_goes_by_the_server_s_words(
    status: str, diagnostic: str, outcome: DeliveryOutcome
) -> None:
    assert _permanent("General", status, diagnostic) is outcome


@pytest.mark.parametrize("sub_type", [one for one in PERMANENT if one not in {"General", "NoEmail"}])
def test_what_ses_did_not_try_is_hard_whatever_was_said(sub_type: str) -> None:
    assert _permanent(sub_type, "5.2.2", "smtp; 552 5.2.2 mailbox full") is HARD


def test_ses_is_believed_that_nobody_is_there_unless_the_words_are_plain() -> None:
    assert _permanent("NoEmail", "5.7.1", "smtp; 550 5.7.1 Message rejected") is HARD
    assert _permanent("NoEmail", "5.1.1", "smtp; 550 5.1.1 you have sent to too many recipients this hour") is SOFT


def test_an_out_of_office_note_is_no_bounce() -> None:
    """What the mailbox simulator's ooto@ sends back: a general transient one, with no field of a DSN."""
    event = only(ses.bounce_without_dsn("Transient", "General"))
    assert (event.kind, event.outcome, event.automatic) == (EventKind.BOUNCE, None, True)


def test_an_automatic_response_may_name_nobody() -> None:
    event = ses.bounce_without_dsn("Transient", "General")
    event["bounce"]["bouncedRecipients"] = []
    assert only(event).recipient == ANNA
    event["mail"]["destination"] = [ANNA, BERTA]
    assert only(event).recipient is None


@pytest.mark.parametrize(
    ("recipient", "automatic"),
    [
        ({"diagnosticCode": "I am out of the office until Monday"}, True),
        ({"diagnosticCode": "smtp; Automatic reply: on holiday"}, True),
        ({"diagnosticCode": "smtp; Abwesenheitsnotiz: Ihr Auszug"}, True),
        ({"diagnosticCode": "Réponse automatique : votre relevé"}, True),
        ({"diagnosticCode": "Estoy fuera de la oficina"}, True),
        ({"diagnosticCode": "Risposta automatica"}, True),
        ({"diagnosticCode": "Automatyczna odpowiedź"}, True),
        ({"diagnosticCode": "Я в отпуске"}, True),
        ({"diagnosticCode": "自動返信"}, True),
        ({"diagnosticCode": "smtp; 451 4.3.0 out of office hours, try again", "status": "4.3.0"}, False),
        ({"diagnosticCode": "smtp; 550 5.7.1 no auto-replies here"}, False),
        ({"diagnosticCode": "the machine is on fire"}, False),
        ({"action": "failed"}, False),
        ({"status": "5.0.0"}, False),
    ],
)
def test_what_is_an_auto_reply(recipient: Json, automatic: bool) -> None:
    event = ses.bounce_without_dsn("Transient", "General")
    event["bounce"]["bouncedRecipients"] = [{"emailAddress": ANNA} | recipient]
    assert only(event).automatic is automatic
    assert only(event).outcome is (None if automatic else SOFT)


def test_a_dsn_is_no_auto_reply() -> None:
    event = ses.bounce_without_dsn("Transient", "General")
    event["bounce"]["reportingMTA"] = "dns; mta.example.com"
    assert only(event).outcome is SOFT


@pytest.mark.parametrize(
    ("diagnostic", "status", "code", "enhanced"),
    [
        ("smtp; 550 5.1.1 user unknown", "5.1.1", 550, "5.1.1"),
        ("smtp;550-5.1.1 The account does not exist\r\n550 5.1.1 gsmtp", None, 550, "5.1.1"),
        ("SMTP; 452 4.2.2 full", "5.2.2", 452, "5.2.2"),  # the DSN's own status goes first
        ("550 no such user", None, 550, None),
        ("smtp; 5501 what", None, None, None),
        ("smtp; 550 5.1.1.1 what", None, 550, None),
        ("smtp; 950 9.1.1 what", "9.1.1", None, None),
        ("X-Postfix; unknown user", "5.0.0", None, "5.0.0"),
        ("smtp; 550 5.1.1 what", "5.1.2 (bad destination system)", 550, "5.1.2"),
        ("smtp; ५५० 5.1.1 digits of another script", "५.१.१", None, None),
        (550, 5.1, None, None),
    ],
)
def test_codes(diagnostic: object, status: object, code: int | None, enhanced: str | None) -> None:
    event = ses.bounce()
    event["bounce"]["bouncedRecipients"] = [{"emailAddress": ANNA, "status": status, "diagnosticCode": diagnostic}]
    assert (only(event).code, only(event).enhanced) == (code, enhanced)


# -- complaints, delays


@pytest.mark.parametrize("feedback", ["abuse", "auth-failure", "fraud", "other", "virus", "not-spam", "Not-Spam"])
def test_each_type_of_complaint(feedback: str) -> None:
    event = only(ses.complaint(complaintFeedbackType=feedback))
    assert event.outcome == (None if feedback.lower() in {"not-spam", "auth-failure"} else DeliveryOutcome.COMPLAINED)
    assert event.sub_type == feedback


def test_an_earlier_complaint_kept_ses_from_sending() -> None:
    event = only(ses.complaint(complaintSubType="OnAccountSuppressionList", complaintFeedbackType=None))
    assert (event.outcome, event.sub_type) == (DeliveryOutcome.COMPLAINED, "OnAccountSuppressionList")
    assert only(ses.complaint(complaintSubType=None)).sub_type == "abuse"


@pytest.mark.parametrize(
    "kind",
    [
        "InternalFailure",
        "General",
        "MailboxFull",
        "SpamDetected",
        "RecipientServerError",
        "IPFailure",
        "TransientCommunicationFailure",
        "BYOIPHostNameLookupUnavailable",
        "Undetermined",
        "SendingDeferral",
    ],
)
def test_each_type_of_delay(kind: str) -> None:
    event = only(ses.delay(kind))
    assert (event.sub_type, event.outcome) == (kind, None)


@pytest.mark.parametrize(
    ("preferences", "detail"),
    [
        ({"unsubscribeAll": False, "topicSubscriptionStatus": []}, "Readers"),
        ({"unsubscribeAll": "no", "topicSubscriptionStatus": {"a": 1}}, "Readers"),
        (
            {"topicSubscriptionStatus": [{"topicName": "A", "subscriptionStatus": "OptIn"}, "B", {"topicName": "C"}]},
            "Readers: A OptIn, C",
        ),
        ([], "Readers"),
        (None, "Readers"),
    ],
)
def test_what_a_contact_is_subscribed_to(preferences: object, detail: str) -> None:
    event = ses.subscription()
    event["subscription"]["newTopicPreferences"] = preferences
    assert only(event).detail == detail


# -- whom it is about


@pytest.mark.parametrize(
    ("event", "key", "names"),
    [
        (ses.bounce(), "bouncedRecipients", "objects"),
        (ses.complaint(), "complainedRecipients", "objects"),
        (ses.delay(), "delayedRecipients", "objects"),
        (ses.delivery(), "recipients", "addresses"),
    ],
)
def test_several_recipients_are_an_event_each(event: Json, key: str, names: str) -> None:
    addresses = [ANNA, BERTA, ANNA]
    told = next(value for value in event.values() if isinstance(value, dict) and key in value)
    told[key] = [{"emailAddress": a} for a in addresses] if names == "objects" else addresses
    events = parse(ses.raw(event))
    assert [e.recipient for e in events] == [ANNA, BERTA]
    assert len({e.event_id for e in events}) == 2


@pytest.mark.parametrize("make", [ses.send, ses.reject, ses.rendering_failure])
def test_what_ses_did_is_of_all_recipients(make: Callable[[], Json]) -> None:
    assert [e.recipient for e in parse(ses.raw(make() | {"mail": ses.mail(ANNA, BERTA)}))] == [ANNA, BERTA]


@pytest.mark.parametrize("make", [ses.opened, ses.click, ses.subscription])
def test_nobody_knows_which_of_several_recipients_opened(make: Callable[[], Json]) -> None:
    assert only(make() | {"mail": ses.mail(ANNA, BERTA)}).recipient is None


@pytest.mark.parametrize("make", ses.ALL.values(), ids=ses.ALL)
def test_an_event_without_a_destination_is_still_one(make: Callable[[], Json]) -> None:
    event = make()
    del event["mail"]["destination"]
    assert parse(ses.raw(event))


# -- our tags


@pytest.mark.parametrize(
    ("tags", "found"),
    [
        ({"eed_email": ["17"], "eed_gen": ["0"]}, (17, 0)),
        ({"eed_email": [str(2**63 - 1)], "eed_gen": [str(2**31 - 1)]}, (2**63 - 1, 2**31 - 1)),
        ({"eed_email": [str(2**63)], "eed_gen": ["1"]}, (None, None)),
        ({"eed_email": ["17"], "eed_gen": [str(2**31)]}, (17, None)),
        ({"eed_email": ["17"]}, (17, None)),
        ({"eed_gen": ["1"]}, (None, None)),
        *(
            ({"eed_email": value, "eed_gen": ["1"]}, (None, None))
            for value in (
                ["0"],
                ["-1"],
                ["+1"],
                ["017"],
                ["1.0"],
                ["1e3"],
                [" 1"],
                ["1\n"],
                ["1_0"],
                ["٣"],
                ["²"],
                [""],
            )
        ),
        *(
            ({"eed_email": value, "eed_gen": ["1"]}, (None, None))
            for value in ("17", 17, [17], [True], [None], [], ["17", "18"], [["17"]], {}, None, ["9" * 5000])
        ),
        ([], (None, None)),
        ("eed_email", (None, None)),
        (None, (None, None)),
    ],
)
def test_a_tag_that_is_not_ours_is_as_none(tags: object, found: tuple[int | None, int | None]) -> None:
    event = ses.delivery()
    event["mail"]["tags"] = tags
    assert (only(event).email_id, only(event).gen) == found
    assert only(event).message_id == ses.MESSAGE_ID


# -- the same event, and another


@pytest.mark.parametrize("make", ses.ALL.values(), ids=ses.ALL)
def test_an_event_is_the_same_in_every_envelope(make: Callable[[], Json]) -> None:
    bare = ses.raw(make())
    assert parse(ses.notification(bare)) == parse(bare)
    assert parse(ses.notification(f"{bare}\n", sns_id="another")) == parse(bare)


def _from_eventbridge(detail: Json, kind: str, source: str = "aws.ses") -> str:
    return ses.raw(
        {
            "version": "0",
            "id": "12345678-1234-1234-1234-123456789012",
            "detail-type": kind,
            "source": source,
            "account": "123456789012",
            "time": ses.TOLD_AT,
            "region": "eu-central-1",
            "resources": ["arn:aws:ses:eu-central-1:123456789012:configuration-set/eed"],
            "detail": detail,
        }
    )


@pytest.mark.parametrize("make", ses.PUBLISHED.values(), ids=ses.PUBLISHED)
def test_an_event_is_the_same_from_eventbridge(make: Callable[[], Json]) -> None:
    event = make()
    kind = {name: kind for kind, name in EVENT_TYPES.items()}[event["eventType"]]
    unnamed = {key: value for key, value in event.items() if key != "eventType"}
    for detail in (event, unnamed):
        wrapped = _from_eventbridge(detail, kind)
        assert parse(wrapped) == parse(ses.notification(wrapped)) == parse(ses.raw(event)) != []


@pytest.mark.parametrize(
    ("kind", "detail"),
    [
        ("Sending Status Disabled", {"version": "1"}),
        ("Advisor Recommendation Status Open", {"data": {"type": "DKIM"}}),
        ("AWS API Call via CloudTrail", {"eventType": "AwsApiCall", "eventName": "CreateConfigurationSet"}),
    ],
)
def test_what_eventbridge_says_of_the_account_is_harmless(kind: str, detail: Json) -> None:
    assert parse(_from_eventbridge(detail, kind)) == []


def test_what_eventbridge_brings_of_others_is_refused() -> None:
    with pytest.raises(ValueError, match=r"not SES's: aws\.ec2"):
        parse(_from_eventbridge(ses.bounce(), "Email Bounced", source="aws.ec2"))


@pytest.mark.parametrize("make", [ses.bounce, ses.complaint, ses.delivery])
def test_an_event_is_the_same_in_both_formats(make: Callable[[], Json]) -> None:
    assert only(ses.feedback(make(), ANNA)).event_id == only(make()).event_id


@pytest.mark.parametrize("make", ses.PUBLISHED.values(), ids=ses.PUBLISHED)
def test_another_time_makes_another_event(make: Callable[[], Json]) -> None:
    def later(event: Json) -> Json:
        text = ses.raw(event)
        return json.loads(
            text.replace("08:01:02.669", "08:01:02.670")
            .replace("08:00:00.125", "08:00:00.126")
            .replace(ses.FEEDBACK_ID, "another")
        )

    ids = {only(make()).event_id, only(later(make())).event_id}
    assert len(ids) == 2


@pytest.mark.parametrize(
    ("make", "key", "name", "other"),
    [
        (ses.bounce, "bounce", "feedbackId", "another"),
        (ses.complaint, "complaint", "feedbackId", "another"),
        (ses.opened, "open", "ipAddress", "192.0.2.41"),
        (ses.opened, "open", "userAgent", "curl"),
        (ses.click, "click", "ipAddress", "192.0.2.41"),
        (ses.click, "click", "userAgent", "curl"),
        (ses.click, "click", "link", "https://example.com/april"),
        (ses.click, "click", "linkTags", {"place": ["bottom"]}),
        (ses.subscription, "subscription", "contactList", "Others"),
        (ses.subscription, "subscription", "newTopicPreferences", {"unsubscribeAll": False}),
        *((make, "mail", "messageId", "another") for make in ses.PUBLISHED.values()),
        *((make, "mail", "destination", [BERTA]) for make in (ses.send, ses.opened, ses.click)),
    ],
)
def test_another_fact_makes_another_event(make: Callable[[], Json], key: str, name: str, other: object) -> None:
    event = make()
    event[key][name] = other
    assert only(event).event_id != only(make()).event_id


def test_ids_do_not_change_with_our_releases() -> None:
    """A release that made other ids would count every event that comes again as a new one."""
    assert [only(ses.PUBLISHED[name]()).event_id for name in ("Bounce", "Click")] == [
        "353f2b4fbe65eccaeb402a8846fcd2cd",
        "1af34ed24dfee64fad4c918ac9f11e39",
    ]


def test_all_examples_are_different_events() -> None:
    events = [e for make in ses.PUBLISHED.values() for e in parse(ses.raw(make()))]
    assert len({e.event_id for e in events}) == len(ses.PUBLISHED)


@pytest.mark.parametrize("missing", [None, "", 17])
def test_a_bounce_without_feedback_id_is_told_by_its_time(missing: object) -> None:
    first, second = ses.bounce(feedbackId=missing), ses.bounce(feedbackId=missing, timestamp=ses.SENT_AT)
    assert only(first).event_id != only(second).event_id


def shuffled(value: Any, random: Any) -> Any:
    if isinstance(value, dict):
        keys = list(value)
        random.shuffle(keys)
        return {key: shuffled(value[key], random) for key in keys}
    return [shuffled(one, random) for one in value] if isinstance(value, list) else value


@given(st.sampled_from(sorted(ses.ALL)), st.randoms(use_true_random=False), st.booleans(), st.integers(0, 3))
def test_the_order_of_keys_and_unknown_fields_change_nothing(
    name: str, random: Any, wrapped: bool, indent: int
) -> None:
    event = shuffled(ses.ALL[name]() | {"newField": {"mail": 1}}, random)
    body = json.dumps(event, indent=indent or None)
    assert parse(ses.notification(body) if wrapped else body) == parse(ses.raw(ses.ALL[name]()))


# -- times


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2016-10-19T23:21:04.133Z", datetime(2016, 10, 19, 23, 21, 4, 133000, UTC)),
        ("2016-10-19T23:21:04Z", datetime(2016, 10, 19, 23, 21, 4, 0, UTC)),
        ("2009-12-03T04:24:21.000-05:00", datetime(2009, 12, 3, 9, 24, 21, 0, UTC)),
        ("1970-01-01T00:00:00Z", datetime(1970, 1, 1, tzinfo=UTC)),
    ],
)
def test_times_are_utc(text: str, at: datetime) -> None:
    event = ses.delivery()
    event["delivery"]["timestamp"] = text
    assert only(event).occurred_at == at
    assert only(event).occurred_at.utcoffset() == timedelta(0)


BAD_TIMES = [
    "",
    "yesterday",
    "2016-10-19",
    "2016-10-19T23:21:04.133",
    "2016-13-19T23:21:04Z",
    "1969-12-31T23:59:59Z",
    "1970-01-01T00:00:00+14:00",
    "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59-14:00",
    "2016-10-19T23:21:04\ud800",
    1476919264,
    None,
    [],
    {},
]


@pytest.mark.parametrize("bad", BAD_TIMES)
@pytest.mark.parametrize("make", ses.PUBLISHED.values(), ids=ses.PUBLISHED)
def test_a_time_that_cannot_be_read_is_an_error(make: Callable[[], Json], bad: object) -> None:
    event = make()
    for told in event.values():
        if isinstance(told, dict):
            told["timestamp"] = bad
    with pytest.raises(ValueError, match="the event's time cannot be read"):
        parse(ses.raw(event))


# -- what is no event


@pytest.mark.parametrize(
    "body",
    [
        ses.confirmation("SubscriptionConfirmation"),
        ses.confirmation("UnsubscribeConfirmation"),
        "Successfully validated SNS topic for Amazon SES event publishing.",
        ses.notification("Successfully validated SNS topic for Amazon SES event publishing."),
        '{"notificationType":"AmazonSnsSubscriptionSucceeded","message":"You have successfully subscribed."}',
        ses.notification('{"notificationType":"AmazonSnsSubscriptionSucceeded","message":"You have."}\n'),
    ],
)
def test_what_sns_and_ses_say_of_themselves_is_harmless(body: str) -> None:
    assert parse(body) == []


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("", "not JSON"),
        ("hello", "not JSON"),
        ("\ufeff{}", "not JSON"),
        ("{", "not JSON"),
        ('{"mail": NaN}', "not JSON"),
        ('{"mail": ' + "9" * 5000 + "}", "not JSON"),
        ("[]", "no object"),
        ("17", "no object"),
        ("null", "no object"),
        ("[" * 100_000, "nested too deeply"),
        ('{"eventType":' * 100_000, "nested too deeply"),
        (ses.notification("[" * 100_000), "nested too deeply"),
        ("{}", "not a known SES event"),
        ('{"eventType": "Received"}', "not a known SES event: Received"),
        ('{"eventType": ["Bounce"]}', "not a known SES event: list"),
        ('{"eventType": "Write to anna@example.com"}', r"Write to \*\*\*@example.com"),
        ('{"Type": "Notification"}', "not a notification"),
        ('{"Type": "Notification", "Message": {}}', "not a notification"),
        ('{"Type": ["Notification"], "Message": ""}', "not a notification"),
        ('{"Type": "Other", "Message": "{}"}', "not a notification: Other"),
        (ses.notification(""), "not JSON"),
        (ses.notification(ses.notification("{}")), "not a known SES event"),
        ('{"eventType": "Send"}', "no SES message id"),
        ('{"eventType": "Send", "mail": []}', "no SES message id"),
        ('{"eventType": "Send", "mail": {}}', "no SES message id"),
        ('{"eventType": "Bounce", "mail": {"messageId": "x"}}', "time cannot be read"),
        ('{"eventType": "Bounce", "mail": {"messageId": "x"}, "bounce": 3}', "time cannot be read"),
    ],
)
def test_what_is_no_event_is_refused_in_words(body: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        parse(body)


@pytest.mark.parametrize("message_id", ["", "é", "a\nb", "\x00", "\ud800", "x" * 256, 17, None, ["x"]])
def test_a_message_id_that_the_ledger_could_not_hold_is_refused(message_id: object) -> None:
    event = ses.delivery()
    event["mail"]["messageId"] = message_id
    with pytest.raises(ValueError, match="no SES message id"):
        parse(ses.raw(event))


# -- strangers


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("550 <anna@example.com>: no\x1b[31m\r\nsuch user\u202e", "550 <***@example.com>: no [31m such user"),
        ('550 "anna lisa"@example.com unknown', "550 ***@example.com unknown"),
        ("x" * 3000, "x" * 500),
        ("y" * 1900 + " anna.lisa@example.com", "y" * 500),
        # Masked and squeezed, the text is short, and would end in half an address: the cut is before its "@".
        (" " * 1990 + "anna.lisa@example.com", ""),
        ("see https://example.com/?to=anna%40example.com&x=1", "see https://example.com/?to=***%40example.com&x=1"),
        ("\ud800", ""),
        (None, ""),
        (17, ""),
    ],
)
def test_what_a_server_said_is_fit_to_be_kept(said: object, kept: str) -> None:
    event = ses.bounce()
    event["bounce"]["bouncedRecipients"][0]["diagnosticCode"] = said
    assert only(event).detail == kept


@pytest.mark.parametrize(
    ("link", "kept"),
    [
        (
            "https://anna@example.com/?a=anna%40example.com&b=x.y%2Bz%40example.com#c@example.com",
            "https://***@example.com/?a=***%40example.com&b=***%40example.com#***@example.com",
        ),
        ("mailto:anna@example.com", "mailto:***@example.com"),
        ("https://example.com/u/anna@example.com/x", "https://example.com/u/***@example.com/x"),
        ("https://example.com/@writer/story", "https://example.com/@writer/story"),
    ],
)
def test_a_link_names_nobody_but_leads_somewhere(link: str, kept: str) -> None:
    event = ses.click()
    event["click"]["link"] = link
    assert only(event).detail == kept


@pytest.mark.parametrize(
    "address", ["anna", "anna@exam\nple.com", "an\ud800na@example.com", "a@" + "x" * 320, 17, None]
)
def test_a_recipient_that_is_no_address_is_the_one_we_wrote_to(address: object) -> None:
    event = ses.bounce()
    event["bounce"]["bouncedRecipients"][0]["emailAddress"] = address
    assert only(event).recipient == ANNA


@pytest.mark.parametrize("sub_type", ["a@example.com", "x" * 65, "", "a\nb", "é", 1, None])
def test_a_sub_type_is_one_of_ses_own_names(sub_type: object) -> None:
    assert only(ses.bounce(bounceSubType=sub_type)).sub_type == ""


def fit_to_be_kept(events: list[TrackingEvent]) -> None:
    assert len({e.event_id for e in events}) == len(events)
    for event in events:
        assert len(event.event_id) == 32
        assert event.occurred_at.utcoffset() == timedelta(0)
        assert event.message_id
        for text in (event.message_id, event.recipient or "", event.sub_type, event.detail, event.user_agent):
            assert len(text) <= 500
            assert text.isprintable()
            text.encode()
        assert event.email_id is None or 0 < event.email_id < 2**63
        assert event.gen is None or 0 <= event.gen < 2**31
        assert event.code is None or 200 <= event.code < 600


def harmless(body: str) -> None:
    try:
        events = parse(body)
    except ValueError as e:
        assert type(e) is ValueError  # one that we have worded, not one that has slipped through
        assert str(e).isprintable()
        return
    fit_to_be_kept(events)


scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(st.characters(exclude_categories=())),
    st.sampled_from([10**400, "Bounce", ses.TOLD_AT, ANNA, "17", "\ud800", "\x00", "5.1.1", "smtp; 550 5.1.1 no"]),
)
trees = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4)
)


@given(st.text(st.characters(exclude_categories=())) | trees.map(json.dumps))
def test_any_text_does_no_harm(body: str) -> None:
    harmless(body)
    harmless(ses.notification(body))


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, one in inner for place in places(one, (*path, key)))]


@st.composite
def mutated(draw: st.DrawFn) -> Any:
    """A real example with one to three of its values, anywhere in it, put out or replaced by anything."""
    event: Any = draw(st.sampled_from(list(ses.ALL.values())))()
    for _ in range(draw(st.integers(1, 3))):
        *way, last = draw(st.sampled_from(places(event)[1:]))
        parent = event
        for key in way:
            parent = parent[key]
        if draw(st.booleans()):
            parent[last] = draw(trees)
        else:
            del parent[last]
        if not event:
            break
    return event


@settings(max_examples=examples(500))
@given(mutated())
def test_an_example_with_anything_in_it_does_no_harm(event: Any) -> None:
    harmless(ses.raw(event))
    harmless(ses.notification(ses.raw(event)))


@given(st.sampled_from(sorted(ses.ALL)), st.data())
def test_a_text_cut_off_or_broken_anywhere_does_no_harm(name: str, data: st.DataObject) -> None:
    body = ses.notification(ses.raw(ses.ALL[name]()))
    at = data.draw(st.integers(0, len(body)))
    harmless(body[:at])
    harmless(body[:at] + data.draw(st.text(st.characters(exclude_categories=()), max_size=3)) + body[at + 1 :])


@pytest.mark.parametrize("deep", [900, 2_000, 50_000])
@pytest.mark.parametrize("key", ["linkTags", "link", "userAgent", "timestamp"])
def test_any_depth_is_read_or_refused(deep: int, key: str) -> None:
    event = ses.raw(ses.click()).replace(f'"{key}": ', f'"{key}": {"[" * deep}{"]" * deep}, "old": ', 1)
    harmless(event)
    harmless(ses.notification(event))
