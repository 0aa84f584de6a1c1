package runlooptest

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"net/http"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// maxBodySize is how many bytes a request's body may have. A policy with
// thousands of host names stays well below it.
const maxBodySize = 1 << 20

// readBody reads the request's body, or as much of it as is allowed.
func readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBodySize))
	if err == nil {
		return body, nil
	}
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return body, &apiError{
			status:  http.StatusRequestEntityTooLarge,
			code:    "request_too_large",
			message: "The request body is larger than 1 MiB",
		}
	}
	return body, badRequest("The request body could not be read")
}

// decode reads the request's body into a struct whose fields are all optional. An
// absent body is an empty object. Field names are case-sensitive.
func (c *call) decode(into any, opts ...json.Options) error {
	if len(c.body) == 0 {
		return nil
	}
	if mediaType, _, _ := mime.ParseMediaType(c.header.Get("Content-Type")); mediaType != "application/json" {
		return &apiError{
			status:  http.StatusUnsupportedMediaType,
			code:    "unsupported_media_type",
			message: "Send the request body as Content-Type: application/json",
		}
	}
	if !bytes.HasPrefix(bytes.TrimLeft(c.body, " \t\r\n"), []byte("{")) {
		return badRequest("The request body is not a JSON object")
	}
	if err := json.Unmarshal(c.body, into, opts...); err != nil {
		return badRequest("Invalid request body: %s", jsonProblem(err))
	}
	return nil
}

// jsonProblem puts a decoding error into words that name no Go type.
func jsonProblem(err error) string {
	if semantic, ok := errors.AsType[*json.SemanticError](err); ok {
		if errors.Is(err, json.ErrUnknownName) {
			return "unknown field at " + string(semantic.JSONPointer)
		}
		return "wrong type or value at " + string(semantic.JSONPointer)
	}
	if syntactic, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		if errors.Is(err, jsontext.ErrDuplicateName) {
			return "duplicate field at " + string(syntactic.JSONPointer)
		}
	}
	return "malformed JSON"
}
