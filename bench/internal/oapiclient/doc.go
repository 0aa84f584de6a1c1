// Package oapiclient is a client that oapi-codegen generates from the contract. Its
// code is made by ../../generate and not kept.
package oapiclient
