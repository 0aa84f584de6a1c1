package runloop

import (
	"fmt"
	"log/slog"
	"strings"
)

// A DevboxError is returned by Launch and Create if they fail after a devbox was created or
// may have been created. If they return any other error, they have created no devbox.
// AwaitRunning returns a DevboxError if the devbox has ended. To find out whether a devbox
// may be left:
//
//	if e, ok := errors.AsType[*runloop.DevboxError](err); ok && !e.ShutDown {
//		// A devbox may be left: e.Devbox, or one with e.RequestID.
//	}
//
// A DevboxError matches [ErrDevboxFailed] if the devbox has ended,
// [ErrPolicyNotAttached] if it does not use its policy, and [ErrMaybeApplied] if it is
// unknown whether a devbox was created. It wraps the error that ended the call, if any.
type DevboxError struct {
	// Op is the call, such as "launch devbox".
	Op string
	// Devbox is the devbox as last seen before the call shut it down. It is nil if it is
	// unknown whether a devbox was created. The error then matches ErrMaybeApplied. If the
	// devbox exists, or if a delayed request creates it later, it has RequestID in its
	// metadata.
	Devbox *Devbox
	// RequestID is the value of MetadataRequestID in the devbox's metadata. It is empty if
	// the devbox was not created by this SDK. If Devbox is nil, look for the devbox with
	// [DevboxesService.All], or repeat the call with RequestID as [WithIdempotencyKey].
	RequestID string
	// Problem describes what went wrong. It does not contain the API key.
	Problem string
	// ShutDown reports whether the devbox is known to be shut down. If it is false, call
	// Shutdown, or let the KeepAlive end the devbox.
	ShutDown bool

	meaning error // the sentinel that the error matches
	cause   error
	subject string // the devbox's ID, without the API key
	left    string // why the devbox could not be shut down
}

// Error returns the text, which is one line of fewer than 300 bytes.
func (e *DevboxError) Error() string {
	head := fmt.Sprintf("runloop: %s: ", printable(e.Op, 80))
	subject := e.subject
	if subject == "" && e.Devbox != nil {
		subject = e.Devbox.ID
	}
	subject = "devbox " + printable(subject, 40)
	var tail string
	switch {
	case e.ShutDown:
		tail = subject + " is shut down"
	case e.Devbox != nil && e.left != "":
		tail = subject + " could not be shut down: " + printable(e.left, 80)
	case e.Devbox != nil:
		tail = subject + " is not shut down"
	default:
		tail = "look for request ID " + printable(e.RequestID, 40) + " in the devboxes' metadata, " +
			"or repeat the call with it as WithIdempotencyKey; " + ErrMaybeApplied.Error()
	}
	tail = " (" + tail + ")"
	text := e.Problem
	if e.cause != nil {
		text += ": " + withoutOp(e.causeWithoutNotes(), e.Op)
	}
	return head + printable(text, maxErrorText-len(head)-len(tail)) + tail
}

// causeWithoutNotes returns the cause without the notes that the text already contains.
func (e *DevboxError) causeWithoutNotes() error {
	cause := settled(e.cause)
	if response, ok := cause.(*APIError); ok && e.Devbox == nil && response.RequestID == e.RequestID {
		response.Code, response.RequestID = "", "" // of the copy
	}
	return cause
}

// withoutOp returns the text of a cause, for an error whose own text names the call.
func withoutOp(err error, op string) string {
	return strings.TrimPrefix(strings.TrimPrefix(err.Error(), "runloop: "), op+": ")
}

// Is reports whether target is the sentinel of the problem (ErrDevboxFailed or
// ErrPolicyNotAttached), or is ErrMaybeApplied and it is unknown whether a devbox was
// created.
func (e *DevboxError) Is(target error) bool {
	return target == ErrMaybeApplied && e.Devbox == nil || e.meaning != nil && target == e.meaning
}

// Unwrap returns the error that ended the call, or nil if the state of the devbox ended it.
func (e *DevboxError) Unwrap() error { return e.cause }

// Format prints only the text, whatever the verb.
func (e DevboxError) Format(s fmt.State, verb rune) { formatText(s, verb, e.Error()) }

// LogValue returns the text.
func (e DevboxError) LogValue() slog.Value { return slog.StringValue(e.Error()) }

// settled returns a copy of the error of a write whose outcome has become known.
func settled(err error) error {
	switch e := err.(type) {
	case *APIError:
		copied := *e
		copied.MaybeApplied = false
		return &copied
	case *TransportError:
		copied := *e
		copied.MaybeApplied = false
		return &copied
	case *DriftError:
		copied := *e
		copied.inDoubt = false
		return &copied
	}
	return err
}
