-- 007_discovery: what is around: nodes, plugins, MCP servers
--
-- Things are found by their own identifier and seen again and again; each finding is an event with a bounded
-- confidence.
-- migrate:up

CREATE TABLE discovered_mcp_servers (
    id bigserial PRIMARY KEY,
    server_id varchar NOT NULL UNIQUE,
    server_url varchar NOT NULL,
    tools jsonb NOT NULL DEFAULT '[]',
    status varchar NOT NULL DEFAULT 'discovered' CHECK (status IN ('discovered', 'active', 'inactive', 'error')),
    discovered_at timestamptz NOT NULL DEFAULT now()
);

COMMENT ON TABLE discovered_mcp_servers IS 'discovery: MCP servers seen, with the tools they offer';

CREATE TABLE discovered_plugins (
    id bigserial PRIMARY KEY,
    plugin_id varchar NOT NULL UNIQUE,
    plugin_name varchar NOT NULL,
    metadata jsonb NOT NULL DEFAULT '{}',
    installed boolean NOT NULL DEFAULT false,
    discovered_at timestamptz NOT NULL DEFAULT now()
);

COMMENT ON TABLE discovered_plugins IS 'discovery: plugins seen';

CREATE TABLE discovered_nodes (
    id bigserial PRIMARY KEY,
    node_id varchar NOT NULL UNIQUE,
    node_type varchar NOT NULL,
    capabilities jsonb NOT NULL DEFAULT '[]',
    status varchar NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'inactive', 'unreachable')),
    first_seen timestamptz NOT NULL DEFAULT now(),
    last_seen timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX idx_discovered_nodes_status ON discovered_nodes (status);
CREATE INDEX idx_discovered_nodes_first_seen ON discovered_nodes (first_seen);

COMMENT ON TABLE discovered_nodes IS 'discovery: other nodes seen';

CREATE TABLE discovery_events (
    id bigserial PRIMARY KEY,
    discovery_type varchar NOT NULL CHECK (discovery_type IN ('node', 'plugin', 'mcp_server', 'dimension')),
    source varchar NOT NULL,
    discovery_data jsonb NOT NULL DEFAULT '{}',
    confidence numeric CHECK (confidence >= 0 AND confidence <= 0.618),
    discovered_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX idx_discovery_events_type ON discovery_events (discovery_type);
CREATE INDEX idx_discovery_events_discovered ON discovery_events (discovered_at);

COMMENT ON TABLE discovery_events IS 'discovery: what was found in the surroundings, with how sure we are';
COMMENT ON COLUMN discovery_events.confidence IS 'φ-bounded: 0.618 times a probability';

-- migrate:down

-- The tables go, and the rows in them.
DROP TABLE discovery_events;
DROP TABLE discovered_nodes;
DROP TABLE discovered_plugins;
DROP TABLE discovered_mcp_servers;
