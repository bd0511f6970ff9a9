"""Tracking: what became of an email after it left. SES's events (`ses`) and mail that comes back (`bounces`) in,
delivery outcomes out."""
