"""The HTTP surface: parse, call a flow or a read, answer; errors as RFC 9457 problem documents."""
