package faults

// policyJSON is the response to a get, an update or a delete of npol_1, and to the create of
// a policy named build that denies all.
const policyJSON = `{"id": "npol_1", "name": "build", "egress": ` + denyAllJSON + `, "create_time_ms": 1767225600000, "update_time_ms": 1767225600000}`

const denyAllJSON = `{"allow_all": false, "allow_devbox_to_devbox": false, "allowed_hostnames": [], "allow_agent_gateway": false, "allow_mcp_gateway": false}`
