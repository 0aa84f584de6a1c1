package main

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"strings"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// A spanPrinter prints one line per span. Your program uses an OTLP exporter instead.
type spanPrinter struct{ out io.Writer }

func (p spanPrinter) ExportSpans(_ context.Context, spans []sdktrace.ReadOnlySpan) error {
	for _, span := range spans {
		var details strings.Builder
		for _, a := range span.Attributes() {
			switch a.Key {
			case "http.response.status_code":
				details.WriteString(" " + a.Value.String())
			case "url.full":
				if u, err := url.Parse(a.Value.AsString()); err == nil {
					details.WriteString(" " + u.Path)
				}
			}
		}
		kind := "span"
		if span.Parent().IsValid() {
			kind = "  child span"
		}
		fmt.Fprintf(p.out, "%s %q%s of trace %s\n", kind, span.Name(), details.String(), span.SpanContext().TraceID())
	}
	return nil
}

func (p spanPrinter) Shutdown(context.Context) error { return nil }
