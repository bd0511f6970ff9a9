"""Every record that Amazon SES's developer guide shows, in the guide's shape with our own values.

`PUBLISHED` follows event-publishing-retrieving-sns-examples, `FEEDBACK` notification-examples and the single objects of
notification-contents. Each is made anew, so that a test may change it.
"""

import json
from typing import Any

Json = dict[str, Any]

MESSAGE_ID = "0100018f2c3d4e5f-1a2b3c4d-0001-4aaa-8bbb-0123456789ab-000000"
FEEDBACK_ID = "0100018f2c3d9999-9a8b7c6d-0002-4ccc-8ddd-ba9876543210-000000"
SENT_AT = "2026-03-02T08:00:00.125Z"
TOLD_AT = "2026-03-02T08:01:02.669Z"
ANNA, BERTA, CARLA = "anna@example.com", "berta@example.com", "carla@example.com"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


def mail(*recipients: str, tagged: bool = True, headers: bool = True) -> Json:
    """The mail object. `tagged`: with what event publishing adds. `headers` are a setting of the older notifications,
    and missing from some published records."""
    to = recipients or (ANNA,)
    made: Json = {
        "timestamp": SENT_AT,
        "source": "News of Example <news@example.com>",
        "sourceArn": "arn:aws:ses:eu-central-1:123456789012:identity/example.com",
        "sendingAccountId": "123456789012",
        "messageId": MESSAGE_ID,
        "destination": list(to),
    }
    if headers:
        made["headersTruncated"] = False
        made["headers"] = [
            {"name": "From", "value": "News of Example <news@example.com>"},
            {"name": "To", "value": ", ".join(to)},
            {"name": "Message-ID", "value": "<17.2@example.com>"},
            {"name": "Subject", "value": "News in March"},
            {"name": "MIME-Version", "value": "1.0"},
            {"name": "Content-Type", "value": 'multipart/alternative; boundary="=_17"'},
        ]
        made["commonHeaders"] = {
            "from": ["News of Example <news@example.com>"],
            "to": list(to),
            "date": "Mon, 02 Mar 2026 08:00:00 +0000",
            "messageId": MESSAGE_ID,
            "subject": "News in March",
        }
    if tagged:
        made["tags"] = {
            "ses:operation": ["SendEmail"],
            "ses:configuration-set": ["eed"],
            "ses:source-ip": ["192.0.2.10"],
            "ses:from-domain": ["example.com"],
            "ses:caller-identity": ["eed-worker"],
            "ses:outgoing-ip": ["192.0.2.20"],
            "eed_email": ["17"],
            "eed_gen": ["2"],
        }
    else:
        made |= {"sourceIp": "192.0.2.10", "callerIdentity": "eed-worker"}
    return made


def bounce(kind: str = "Permanent", sub_type: str = "General", **more: Any) -> Json:
    made: Json = {
        "bounceType": kind,
        "bounceSubType": sub_type,
        "bouncedRecipients": [
            {
                "emailAddress": ANNA,
                "action": "failed",
                "status": "5.1.1",
                "diagnosticCode": "smtp; 550 5.1.1 user unknown",
            }
        ],
        "timestamp": TOLD_AT,
        "feedbackId": FEEDBACK_ID,
        "reportingMTA": "dns; mta.example.com",
    }
    return {"eventType": "Bounce", "bounce": made | more, "mail": mail()}


def bounce_without_dsn(kind: str, sub_type: str) -> Json:
    made = bounce(kind, sub_type, bouncedRecipients=[{"emailAddress": ANNA}])
    del made["bounce"]["reportingMTA"]
    return made


def complaint(**more: Any) -> Json:
    made: Json = {
        "complainedRecipients": [{"emailAddress": ANNA}],
        "timestamp": TOLD_AT,
        "feedbackId": FEEDBACK_ID,
        "userAgent": "Example Feedback Loop (V0.01)",
        "complaintFeedbackType": "abuse",
        "arrivalDate": "2026-03-02T03:01:00.000-05:00",
    }
    return {"eventType": "Complaint", "complaint": made | more, "mail": mail()}


def delivery() -> Json:
    return {
        "eventType": "Delivery",
        "mail": mail(),
        "delivery": {
            "timestamp": TOLD_AT,
            "processingTimeMillis": 62544,
            "recipients": [ANNA],
            "smtpResponse": "250 2.6.0 Message received",
            "reportingMTA": "a8-70.smtp-out.example.com",
            "remoteMtaIp": "192.0.2.30",
        },
    }


def send() -> Json:
    return {"eventType": "Send", "mail": mail(), "send": {}}


def reject() -> Json:
    return {"eventType": "Reject", "mail": mail(), "reject": {"reason": "Bad content"}}


def opened() -> Json:
    return {
        "eventType": "Open",
        "mail": mail(),
        "open": {"ipAddress": "192.0.2.40", "timestamp": TOLD_AT, "userAgent": FIREFOX},
    }


def click() -> Json:
    return {
        "eventType": "Click",
        "mail": mail(),
        "click": {
            "ipAddress": "192.0.2.40",
            "link": "https://example.com/march?from=news",
            "linkTags": {"place": ["top"], "colour": ["red"]},
            "timestamp": TOLD_AT,
            "userAgent": FIREFOX,
        },
    }


def rendering_failure() -> Json:
    return {
        "eventType": "Rendering Failure",
        "mail": mail(headers=False),
        "failure": {
            "errorMessage": "Attribute 'town' is not present in the rendering data.",
            "templateName": "March",
        },
    }


def delay(kind: str = "TransientCommunicationFailure") -> Json:
    return {
        "eventType": "DeliveryDelay",
        "mail": mail(headers=False),
        "deliveryDelay": {
            "timestamp": TOLD_AT,
            "delayType": kind,
            "expirationTime": "2026-03-02T20:00:00.914Z",
            "delayedRecipients": [
                {
                    "emailAddress": ANNA,
                    "status": "4.4.1",
                    "diagnosticCode": "smtp; 421 4.4.1 Unable to connect to remote host",
                }
            ],
        },
    }


def subscription() -> Json:
    def preferences(everything: bool) -> Json:
        topic = {"topicName": "Offers", "subscriptionStatus": "OptOut"}
        return {"unsubscribeAll": everything, "topicSubscriptionStatus": [topic]}

    return {
        "eventType": "Subscription",
        "mail": mail(),
        "subscription": {
            "contactList": "Readers",
            "timestamp": TOLD_AT,
            "source": "UnsubscribeHeader",
            "newTopicPreferences": preferences(True),
            "oldTopicPreferences": preferences(False),
        },
    }


def feedback(published: Json, *recipients: str) -> Json:
    """The older notification of the same thing: another name for the kind, and no tags."""
    kept = {key: value for key, value in published.items() if key not in {"eventType", "mail"}}
    to = recipients or (ANNA, BERTA, CARLA)
    return {"notificationType": published["eventType"], **kept, "mail": mail(*to, tagged=False)}


def feedback_bounce_with_dsn() -> Json:
    made = feedback(bounce())
    made["bounce"]["bouncedRecipients"][0]["diagnosticCode"] = f"smtp; 550 5.1.1 <{ANNA}>... User"
    made["bounce"]["remoteMtaIp"] = "192.0.2.30"
    return made


def feedback_bounce_without_dsn() -> Json:
    made = feedback(bounce_without_dsn("Permanent", "General"))
    made["bounce"]["bouncedRecipients"] = [{"emailAddress": ANNA}, {"emailAddress": CARLA}]
    return made


def feedback_bounce_of_two_kinds() -> Json:
    """The bounce object of notification-contents: one recipient has failed, another is only delayed."""
    made = feedback(bounce())
    made["bounce"]["bouncedRecipients"] = [
        {"emailAddress": ANNA, "status": "5.0.0", "action": "failed", "diagnosticCode": "smtp; 550 user unknown"},
        {"emailAddress": BERTA, "status": "4.0.0", "action": "delayed"},
    ]
    return made


def feedback_bounce_of_postfix() -> Json:
    """The bounced recipient of notification-contents."""
    made = feedback(bounce())
    made["bounce"]["bouncedRecipients"] = [
        {"emailAddress": ANNA, "action": "failed", "status": "5.0.0", "diagnosticCode": "X-Postfix; unknown user"}
    ]
    return made


def feedback_complaint_without_report() -> Json:
    made = feedback(complaint())
    for report in ("userAgent", "complaintFeedbackType", "arrivalDate"):
        del made["complaint"][report]
    return made


def feedback_delivery() -> Json:
    made = feedback(delivery(), ANNA)
    made["delivery"]["smtpResponse"] = "250 ok:  Message 64111812 accepted"
    return made


PUBLISHED = {
    "Bounce": bounce,
    "Complaint": complaint,
    "Delivery": delivery,
    "Send": send,
    "Reject": reject,
    "Open": opened,
    "Click": click,
    "Rendering Failure": rendering_failure,
    "DeliveryDelay": delay,
    "Subscription": subscription,
}
FEEDBACK = {
    "bounce with a DSN": feedback_bounce_with_dsn,
    "bounce without a DSN": feedback_bounce_without_dsn,
    "bounce of two kinds": feedback_bounce_of_two_kinds,
    "bounce of Postfix": feedback_bounce_of_postfix,
    "complaint with a report": lambda: feedback(complaint()),
    "complaint without a report": feedback_complaint_without_report,
    "delivery": feedback_delivery,
}
ALL = PUBLISHED | FEEDBACK


def raw(event: Json) -> str:
    """As raw message delivery has it."""
    return json.dumps(event)


def notification(message: str, sns_id: str = "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324") -> str:
    """As SNS wraps it (sns-message-and-json-formats, "HTTP/HTTPS notification JSON format", which SQS gets too)."""
    return json.dumps(
        {
            "Type": "Notification",
            "MessageId": sns_id,
            "TopicArn": "arn:aws:sns:eu-central-1:123456789012:eed-events",
            "Subject": "Amazon SES Email Event Notification",
            "Message": message,
            "Timestamp": "2026-03-02T08:01:03.015Z",
            "SignatureVersion": "1",
            "Signature": "RXhhbXBsZQ==",
            "SigningCertURL": "https://sns.eu-central-1.example.com/SimpleNotificationService-0.pem",
            "UnsubscribeURL": "https://sns.eu-central-1.example.com/?Action=Unsubscribe",
        }
    )


def confirmation(kind: str) -> str:
    return json.dumps(
        {
            "Type": kind,
            "MessageId": "165545c9-2a5c-472c-8df2-7ff2be2b3b1b",
            "Token": "2336412f37f",
            "TopicArn": "arn:aws:sns:eu-central-1:123456789012:eed-events",
            "Message": "You have chosen to subscribe to the topic.",
            "SubscribeURL": "https://sns.eu-central-1.example.com/?Action=ConfirmSubscription",
            "Timestamp": "2026-03-01T12:00:00.000Z",
            "SignatureVersion": "1",
            "Signature": "RXhhbXBsZQ==",
            "SigningCertURL": "https://sns.eu-central-1.example.com/SimpleNotificationService-0.pem",
        }
    )
