package runloop

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// decodeDevbox reads a response that is a devbox.
func decodeDevbox(body []byte) (*Devbox, error) {
	devbox := new(Devbox)
	err := decodeDocument(body, func(d decoder) error { return d.devbox(devbox, body) })
	if err != nil {
		return nil, err
	}
	return devbox, nil
}

// decodeDevboxWithID reads a response that is the devbox with the ID. A confused cache or
// proxy can return another devbox, which is an error.
func decodeDevboxWithID(body []byte, id string) (*Devbox, error) {
	devbox, err := decodeDevbox(body)
	if err == nil && devbox.ID != id {
		return nil, fmt.Errorf("the response has devbox %s instead of %s", quoteResponse(devbox.ID), quote(id))
	}
	return devbox, err
}

// decodeTaggedDevbox reads a response to the create with the request ID. Another devbox is
// an error, because it may belong to someone else and must not be shut down.
func decodeTaggedDevbox(requestID string) func([]byte, string) (*Devbox, error) {
	return func(body []byte, _ string) (*Devbox, error) {
		devbox, err := decodeDevbox(body)
		if err == nil && devbox.Metadata[MetadataRequestID] != requestID {
			return nil, fmt.Errorf("the response has devbox %s, whose metadata does not contain the request ID", quoteResponse(devbox.ID))
		}
		return devbox, err
	}
}

// decodeEndedDevbox reads a response that is the devbox with the ID. The devbox must have
// ended.
func decodeEndedDevbox(body []byte, id string) (*Devbox, error) {
	devbox, err := decodeDevboxWithID(body, id)
	if err == nil && !devbox.Status.hasEnded() {
		return nil, fmt.Errorf("the devbox has not ended: its status is %s", quoteResponse(string(devbox.Status)))
	}
	return devbox, err
}

// decodeDevboxPage reads a response that is a page of devboxes.
func decodeDevboxPage(body []byte, _ string) (*DevboxPage, error) {
	page := new(DevboxPage)
	err := decodeDocument(body, func(d decoder) error { return d.devboxPage(page, body) })
	if err != nil {
		return nil, err
	}
	return page, nil
}

func (d decoder) devboxPage(p *DevboxPage, document []byte) error {
	return d.pageOf("devboxes", &p.HasMore, &p.TotalCount, func() error {
		return d.array(func() error {
			if len(p.Devboxes) == maxPageSize {
				return fmt.Errorf("the JSON has more than %d devboxes", maxPageSize)
			}
			p.Devboxes = append(p.Devboxes, Devbox{})
			return d.devbox(&p.Devboxes[len(p.Devboxes)-1], document)
		})
	})
}

// devbox reads a devbox. The ID and the status are required.
func (d decoder) devbox(b *Devbox, document []byte) error {
	start := d.InputOffset()
	err := d.object(func(name []byte) error {
		switch string(name) {
		case "id":
			return d.text(&b.ID)
		case "name":
			return d.text(&b.Name)
		case "status":
			return d.text((*string)(&b.Status))
		case "launch_parameters":
			return d.launchParameters(b)
		case "create_time_ms":
			return d.time(&b.CreateTime)
		case "end_time_ms":
			return d.time(&b.EndTime)
		case "failure_reason":
			return d.text(&b.FailureReason)
		case "shutdown_reason":
			return d.text(&b.ShutdownReason)
		case "metadata":
			return d.metadata(&b.Metadata)
		case "blueprint_id":
			return d.text(&b.BlueprintID)
		case "snapshot_id":
			return d.text(&b.SnapshotID)
		}
		return d.SkipValue()
	})
	switch {
	case err != nil:
		return err
	case b.ID == "":
		return d.missing("id")
	case b.Status == "":
		return d.missing("status")
	}
	// A copy, so that the devbox does not keep its page in memory.
	b.Raw = json.RawMessage(bytes.Clone(bytes.TrimLeft(document[start:d.InputOffset()], ",: \t\r\n")))
	return nil
}

// launchParameters reads the policy from an object or null.
func (d decoder) launchParameters(b *Devbox) error {
	if d.PeekKind() == 'n' {
		return d.SkipValue()
	}
	return d.object(func(name []byte) error {
		if string(name) == "network_policy_id" {
			return d.text(&b.NetworkPolicyID)
		}
		return d.SkipValue()
	})
}

// metadata reads an object of strings, or null.
func (d decoder) metadata(dst *map[string]string) error {
	if d.PeekKind() == 'n' {
		return d.SkipValue()
	}
	*dst = make(map[string]string)
	return d.object(func(raw []byte) error {
		name := string(raw) // reading the value invalidates it
		var value string
		err := d.text(&value)
		if err != nil {
			return err
		}
		(*dst)[name] = value
		return add(&d.metadataEntries, 1, maxMetadataOfPage, "metadata entries")
	})
}
