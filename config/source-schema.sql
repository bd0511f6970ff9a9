-- The reference schema of the source, as `eed-delivery db init --with-source` makes it.
-- Made from eed_delivery/source/reference.py, and held to it by a test.

CREATE TABLE delivery_job (
    id BIGINT NOT NULL AUTO_INCREMENT,
    name VARCHAR(255) NOT NULL,
    status VARCHAR(20) NOT NULL DEFAULT 'created',
    sender VARCHAR(320) NOT NULL,
    reply_to VARCHAR(320),
    subject VARCHAR(998) NOT NULL,
    html_template MEDIUMTEXT,
    text_template MEDIUMTEXT,
    scheduled_for DATETIME(6),
    expires_at DATETIME(6),
    category VARCHAR(191),
    channel VARCHAR(32),
    send_window VARCHAR(2000),
    deadline DATETIME(6),
    created_at DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP,
    PRIMARY KEY (id)
)ENGINE=InnoDB CHARSET=utf8mb4;

CREATE INDEX delivery_job_by_status ON delivery_job (status, scheduled_for);

CREATE TABLE delivery_email (
    id BIGINT NOT NULL AUTO_INCREMENT,
    job_id BIGINT NOT NULL,
    recipient VARCHAR(320),
    recipient_name VARCHAR(255),
    variables JSON,
    status VARCHAR(20) DEFAULT 'pending',
    status_detail VARCHAR(500),
    attempts INTEGER NOT NULL DEFAULT '0',
    message_id VARCHAR(255),
    sent_at DATETIME(6),
    PRIMARY KEY (id)
)ENGINE=InnoDB CHARSET=utf8mb4;

CREATE INDEX delivery_email_by_job ON delivery_email (job_id, id);

CREATE TABLE delivery_attachment (
    id BIGINT NOT NULL AUTO_INCREMENT,
    job_id BIGINT NOT NULL,
    email_id BIGINT,
    location VARCHAR(1024) NOT NULL,
    filename VARCHAR(255),
    content_type VARCHAR(255),
    sha256 VARCHAR(64),
    PRIMARY KEY (id)
)ENGINE=InnoDB CHARSET=utf8mb4;

CREATE INDEX delivery_attachment_by_email ON delivery_attachment (email_id);

CREATE INDEX delivery_attachment_by_job ON delivery_attachment (job_id, email_id);
