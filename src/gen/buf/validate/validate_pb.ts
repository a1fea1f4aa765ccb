// Written by hand: the generated files import the validation rules from here, and the schema of those rules comes
// complete with the package that evaluates them.
export * from '@bufbuild/protovalidate/gen/buf/validate/validate_pb.js';
