package runlooptest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"strconv"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// maxBodySize limits a request's body, in bytes.
const maxBodySize = 1 << 20

// readBody reads the request's body, or as much of it as is allowed.
func readBody(w http.ResponseWriter, r *http.Request) ([]byte, *refusal) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBodySize))
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return body, refuse(http.StatusRequestEntityTooLarge, "request_too_large", "The request body is larger than 1 MiB")
	}
	if err != nil {
		return body, badRequest("The request body could not be read")
	}
	return body, nil
}

// decode decodes the request's body into a struct whose fields are all optional. An
// absent body is an empty object. Field names are case-sensitive.
func (c *call) decode(into any, opts ...json.Options) *refusal {
	if len(c.body) == 0 {
		return nil
	}
	if mediaType, _, _ := mime.ParseMediaType(c.Header.Get("Content-Type")); mediaType != "application/json" {
		return refuse(http.StatusUnsupportedMediaType, "unsupported_media_type", "Send the request body as Content-Type: application/json")
	}
	if !bytes.HasPrefix(bytes.TrimLeft(c.body, " \t\r\n"), []byte("{")) {
		return badRequest("The request body is not a JSON object")
	}
	if err := json.Unmarshal(c.body, into, opts...); err != nil {
		return badRequest("Invalid request body: %s", jsonProblem(err))
	}
	return nil
}

// jsonProblem describes a decoding error without the names of Go types.
func jsonProblem(err error) string {
	if semantic, ok := errors.AsType[*json.SemanticError](err); ok {
		if errors.Is(err, json.ErrUnknownName) {
			return "unknown field at " + string(semantic.JSONPointer)
		}
		return "wrong type or value at " + string(semantic.JSONPointer)
	}
	if syntactic, ok := errors.AsType[*jsontext.SyntacticError](err); ok && errors.Is(err, jsontext.ErrDuplicateName) {
		return "duplicate field at " + string(syntactic.JSONPointer)
	}
	return "malformed JSON"
}

// A response is what the client receives. Without a status, the connection is closed
// instead.
type response struct {
	status int
	header http.Header
	body   []byte
	length int // the Content-Length; the connection is closed after a shorter body
}

func newResponse(status int, body []byte) response {
	return response{status, http.Header{"Content-Type": {"application/json"}}, body, len(body)}
}

func (res response) send(w http.ResponseWriter) {
	if res.status == 0 {
		panic(http.ErrAbortHandler)
	}
	header := w.Header()
	maps.Copy(header, res.header)
	if header.Get("Content-Length") == "" && res.status != http.StatusNoContent && res.status != http.StatusNotModified {
		header.Set("Content-Length", strconv.Itoa(res.length))
	}
	w.WriteHeader(res.status)
	_, _ = w.Write(res.body) // an error means that the client is gone
	if len(res.body) < res.length {
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
}

// A refusal is an error response of the API. Clients rely on the message; the codes
// are the fake's own, because Runloop does not document any.
type refusal struct {
	status int
	header http.Header

	Code    string `json:"error"`
	Message string `json:"message"`
}

func refuse(status int, code, format string, args ...any) *refusal {
	return &refusal{status: status, header: http.Header{}, Code: code, Message: fmt.Sprintf(format, args...)}
}

func badRequest(format string, args ...any) *refusal {
	return refuse(http.StatusBadRequest, "bad_request", format, args...)
}

// with sets a header of the response.
func (e *refusal) with(name, value string) *refusal {
	e.header.Set(name, value)
	return e
}

func (e *refusal) response() response {
	res := newResponse(e.status, mustMarshal(e))
	maps.Copy(res.header, e.header)
	return res
}

// mustMarshal encodes a value that can always be encoded. Messages quote what clients
// send, which need not be valid UTF-8.
func mustMarshal(v any) []byte {
	body, err := json.Marshal(v, json.Deterministic(true), jsontext.AllowInvalidUTF8(true))
	if err != nil {
		panic("runlooptest: " + err.Error())
	}
	return body
}
