module github.com/runloop-community/runloop-go/examples/policies-as-files

go 1.26.0

require (
	github.com/runloop-community/runloop-go v0.0.0
	go.yaml.in/yaml/v3 v3.0.5
)

require (
	github.com/go-json-experiment/json v1.27.2 // indirect
	github.com/google/go-querystring v1.2.0 // indirect
	github.com/hashicorp/go-cleanhttp v0.5.2 // indirect
	github.com/hashicorp/go-retryablehttp v0.7.8 // indirect
)

replace github.com/runloop-community/runloop-go => ../..
