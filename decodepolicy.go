package runloop

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/runloop-community/runloop-go/internal/engine"
)

// decodePolicy decodes a response that is a policy.
func decodePolicy(body []byte) (*NetworkPolicy, error) {
	p := new(NetworkPolicy)
	err := decodeResponse(body, func(d decoder) error { return d.policyResponse(p) })
	if err != nil {
		return nil, err
	}
	return p, nil
}

// decodeResponse is decodeDocument for responses of the API.
func decodeResponse(body []byte, read func(decoder) error) error {
	return decodeDocument(body, func(d decoder) error {
		d.complete = true
		return read(d)
	})
}

// decodePolicyWithID decodes a response that is the policy with the ID. It rejects another
// policy, which a confused cache or proxy may send.
func decodePolicyWithID(body []byte, id string) (*NetworkPolicy, error) {
	policy, err := decodePolicy(body)
	if err == nil && policy.ID != id {
		return nil, fmt.Errorf("the response has policy %s instead of %s", quoteResponse(policy.ID), quote(id))
	}
	return policy, err
}

// decodePolicyNamed decodes a response that is a policy with the name, in the sense of
// sameName.
func decodePolicyNamed(name string) func([]byte, string) (*NetworkPolicy, error) {
	return func(body []byte, _ string) (*NetworkPolicy, error) {
		policy, err := decodePolicy(body)
		if err == nil && !sameName(policy.Name, name) {
			return nil, fmt.Errorf("the response has policy %s instead of %s", quoteResponse(policy.Name), quote(name))
		}
		return policy, err
	}
}

// sameName reports whether two names are equal except for case and surrounding space, which
// an API may change when it stores a name.
func sameName(a, b string) bool {
	return strings.EqualFold(strings.TrimSpace(a), strings.TrimSpace(b))
}

// quoteResponse quotes a part of a response, which can repeat the API key. It keeps enough
// for a whole key: the engine redacts the text before it truncates it further.
func quoteResponse(s string) string { return strconv.Quote(engine.Truncate(s, 2*maxHeaderValue)) }

// decodePage decodes a response that is a page of policies.
func decodePage(body []byte, _ string) (*NetworkPolicyPage, error) {
	p := new(NetworkPolicyPage)
	err := decodeResponse(body, func(d decoder) error { return d.page(p, len(body)) })
	if err != nil {
		return nil, err
	}
	return p, nil
}

func (d decoder) page(p *NetworkPolicyPage, size int) error {
	return d.pageOf("network_policies", &p.HasMore, &p.TotalCount, func() error { return d.policies(&p.NetworkPolicies, size) })
}

// pageOf reads a page of a list. The items are in the field.
func (d decoder) pageOf(field string, more *bool, total **int, items func() error) error {
	var hasItems, hasMore bool
	err := d.object(func(name []byte) error {
		switch string(name) {
		case field:
			hasItems = d.PeekKind() != 'n'
			return items()
		case "has_more":
			hasMore = d.PeekKind() != 'n'
			return d.boolean(more)
		case "total_count":
			if d.PeekKind() == 'n' {
				return d.SkipValue()
			}
			var n int64
			err := d.integer(&n, 32)
			*total = new(int(n))
			return err
		}
		return d.SkipValue()
	})
	switch {
	case err != nil:
		return err
	case !hasItems:
		return d.missing(field)
	case !hasMore:
		return d.missing("has_more")
	}
	return nil
}

// policies reads the policies of a page. It estimates their number from the size of the
// first policy and of the document.
func (d decoder) policies(dst *[]NetworkPolicy, size int) error {
	start := d.InputOffset()
	return d.array(func() error {
		if len(*dst) == maxPageSize {
			return fmt.Errorf("the JSON has more than %d policies", maxPageSize)
		}
		*dst = append(*dst, NetworkPolicy{})
		if err := d.policyResponse(&(*dst)[len(*dst)-1]); err != nil {
			return err
		}
		if len(*dst) == 1 {
			each := d.InputOffset() - start
			rest := (int64(size) - d.InputOffset()) / each
			rest += rest / 8 // policies differ in size, and growing copies all of them
			grown := make([]NetworkPolicy, 1, 1+min(rest, maxPageSize))
			grown[0] = (*dst)[0]
			*dst = grown
		}
		return nil
	})
}

// policyResponse reads a policy that must have an ID and egress rules.
func (d decoder) policyResponse(p *NetworkPolicy) error {
	var hasEgress bool
	if err := d.policyFields(p, &hasEgress); err != nil {
		return err
	}
	switch {
	case p.ID == "":
		return d.missing("id")
	case !hasEgress:
		return d.missing("egress")
	}
	return nil
}

func (d decoder) policy(p *NetworkPolicy) error {
	return d.policyFields(p, new(bool))
}

func (d decoder) policyFields(p *NetworkPolicy, hasEgress *bool) error {
	return d.object(func(name []byte) error {
		switch string(name) {
		case "id":
			return d.text(&p.ID)
		case "name":
			return d.text(&p.Name)
		case "description":
			return d.text(&p.Description)
		case "egress":
			*hasEgress = true
			return d.egress(&p.Egress)
		case "create_time_ms":
			return d.time(&p.CreateTime)
		case "update_time_ms":
			return d.time(&p.UpdateTime)
		}
		return d.SkipValue()
	})
}

func (d decoder) time(dst *time.Time) error {
	if d.PeekKind() == 'n' {
		return d.SkipValue()
	}
	var ms int64
	err := d.integer(&ms, 64)
	*dst = time.UnixMilli(ms).UTC()
	return err
}

func (d decoder) egress(r *EgressRules) error {
	d.inPolicy = ruleCount{}
	var unknown []byte
	err := d.object(func(name []byte) error {
		switch string(name) {
		case "allow_all":
			return d.boolean(&r.AllowAll)
		case "allow_devbox_to_devbox":
			return d.boolean(&r.AllowDevboxToDevbox)
		case "allowed_hostnames":
			if err := d.texts(&r.AllowedHostnames, maxHostnames, maxHostnameText); err != nil {
				return err
			}
			return add(&d.inDocument.hostnames, len(r.AllowedHostnames), maxHostnamesOfPage, "host names")
		case "allow_agent_gateway":
			return d.boolean(&r.AllowAgentGateway)
		case "allow_mcp_gateway":
			return d.boolean(&r.AllowMCPGateway)
		case "allow_runloop_mirrors":
			return d.boolean(&r.AllowRunloopMirrors)
		case "allowed_cidrs":
			return d.array(func() error {
				r.AllowedCIDRs = append(r.AllowedCIDRs, AllowedCIDR{})
				return d.cidr(&r.AllowedCIDRs[len(r.AllowedCIDRs)-1])
			})
		}
		return d.unknownField(&unknown, name)
	})
	r.unknown = newUnknownFields(unknown)
	return err
}

func (d decoder) cidr(c *AllowedCIDR) error {
	if err := d.countRange(); err != nil {
		return err
	}
	var hasCIDR bool
	var unknown []byte
	err := d.object(func(name []byte) error {
		switch string(name) {
		case "cidr":
			hasCIDR = d.PeekKind() != 'n'
			return d.shortText(&c.CIDR, maxToken)
		case "ports":
			return d.array(func() error {
				c.Ports = append(c.Ports, PortRule{})
				return d.portRule(&c.Ports[len(c.Ports)-1])
			})
		}
		return d.unknownField(&unknown, name)
	})
	c.unknown = newUnknownFields(unknown)
	if err == nil && !hasCIDR && d.complete {
		err = d.missing("cidr")
	}
	return err
}

func (d decoder) portRule(p *PortRule) error {
	if err := d.countRange(); err != nil {
		return err
	}
	var hasPort bool
	var unknown []byte
	err := d.object(func(name []byte) error {
		switch string(name) {
		case "port":
			hasPort = d.PeekKind() != 'n'
			if d.strict && d.PeekKind() == '"' { // such as "8000-9000"
				return d.mismatch('"', `a number (for a range, write "port": 8000, "end_port": 9000)`)
			}
			return d.port(&p.Port)
		case "end_port":
			return d.port(&p.EndPort)
		case "protocol":
			return d.shortText((*string)(&p.Protocol), maxToken)
		}
		return d.unknownField(&unknown, name)
	})
	p.unknown = newUnknownFields(unknown)
	if err == nil && !hasPort && d.complete {
		err = d.missing("port")
	}
	return err
}

func (d decoder) port(dst *int) error {
	var n int64
	err := d.integer(&n, 32)
	*dst = int(n)
	return err
}

// countRange counts a CIDR or a port rule.
func (d decoder) countRange() error {
	if d.inPolicy.ranges++; d.inPolicy.ranges > maxRanges {
		return fmt.Errorf("the JSON has a policy with more than %d CIDRs and port rules", maxRanges)
	}
	return add(&d.inDocument.ranges, 1, maxRangesOfPage, "CIDRs and port rules")
}

// unknownField appends a comma and the field to dst.
func (d decoder) unknownField(dst *[]byte, name []byte) (err error) {
	if d.strict {
		return fmt.Errorf("%s is not a known field: write the API's names, as in \"allowed_hostnames\"", d.place())
	}
	if err := add(&d.inDocument.unknown, 1, maxUnknownOfPage, "unknown rules"); err != nil {
		return err
	}
	before := len(*dst)
	// The name is copied first, because reading the value invalidates it.
	if *dst, err = jsontext.AppendQuote(append(*dst, ','), name); err != nil {
		return err
	}
	start := d.InputOffset()
	if err := d.skip(maxUnknownDepth, maxUnknownNumber); err != nil {
		return err
	}
	value := bytes.TrimLeft(d.document[start:d.InputOffset()], ": \t\r\n")
	size := len(*dst) - before + len(value)
	if d.inPolicy.unknownSize += size; d.inPolicy.unknownSize > maxUnknownSize {
		return fmt.Errorf("the JSON has a policy with more than %d bytes of unknown rules", maxUnknownSize)
	}
	*dst = append(append(*dst, ':'), value...)
	return add(&d.inDocument.unknownSize, size, maxUnknownSizeOfPage, "bytes of unknown rules")
}

// add adds n to a total of a document. Its error matches ErrResponseTooLarge, because a page
// with fewer policies may be within the bounds.
func add(total *int, n, most int, what string) error {
	if *total += n; *total > most {
		return fmt.Errorf("%w: the JSON has more than %d %s", ErrResponseTooLarge, most, what)
	}
	return nil
}
