#include <CLI/CLI.hpp>
#include <filesystem>
#include <memory>

#include "app/command.h"
#include "app/data_dir.h"
#include "app/output.h"
#include "net/certificate.h"

namespace fairlead {
namespace {

struct InitCertificates {
  std::vector<std::string> hosts;
  std::vector<std::string> ips;
  std::string organization = "Fairlead";
};

ExitCode init_certificates(const CommandContext& context, const InitCertificates& options) {
  if (options.hosts.empty() && options.ips.empty()) {
    return fail(context, ExitCode::kUsage, "a certificate must cover a name or an address",
                "As in: fairlead cert init --host localhost --ip 127.0.0.1");
  }
  if (Status status = prepare_data_dir(context.data_dir); !status) {
    return fail(context, ExitCode::kFailed, status.error().sentence);
  }
  auto files = create_certificates({.directory = (context.data_dir / "certs").string(),
                                    .hosts = options.hosts,
                                    .ips = options.ips,
                                    .organization = options.organization});
  if (!files) return fail(context, ExitCode::kFailed, files.error().sentence);
  print_record(context,
               {{"root", files->ca_certificate},
                {"rootIs", std::string(files->root == RootOrigin::kCreated ? "new" : "kept")},
                {"rsa", files->rsa_certificate},
                {"ecdsa", files->ec_certificate}});
  if (context.format == OutputFormat::kText) {
    std::printf("Clients must trust the root: give them %s\n", files->ca_certificate.c_str());
    if (auto server = running_server(context.data_dir)) {
      std::printf("The running server takes the new ones with: kill -HUP %d\n", *server);
    }
  }
  return ExitCode::kOk;
}

Record record_of(const std::string& file, const CertificateDescription& certificate) {
  return {{"file", file},
          {"subject", certificate.subject},
          {"issuer", certificate.issuer},
          {"names", certificate.names},
          {"notBefore", format_time(certificate.not_before.count())},
          {"notAfter", format_time(certificate.not_after.count())},
          {"key", certificate.key_type},
          {"signature", certificate.signature_algorithm},
          {"sha256", certificate.fingerprint}};
}

ExitCode show_certificates(const CommandContext& context) {
  const CertificateFiles files = certificate_files((context.data_dir / "certs").string());
  std::vector<Record> records;
  for (const std::string& file :
       {files.ca_certificate, files.rsa_certificate, files.ec_certificate}) {
    std::error_code ignored;
    if (!std::filesystem::exists(file, ignored)) continue;
    auto certificate = describe_certificate(file);
    if (!certificate) return fail(context, ExitCode::kFailed, certificate.error().sentence);
    records.push_back(record_of(file, *certificate));
  }
  if (records.empty()) {
    return fail(context, ExitCode::kNotFound,
                "there are no certificates in " + (context.data_dir / "certs").string(),
                "Create them: fairlead cert init --host localhost --ip 127.0.0.1");
  }
  if (context.format == OutputFormat::kJson) {
    print_records(context, records, "");
    return ExitCode::kOk;
  }
  for (const Record& record : records) {
    if (&record != &records.front()) std::printf("\n");
    print_record(context, record);
  }
  return ExitCode::kOk;
}

}  // namespace

void add_cert_commands(CLI::App& app, CommandContext& context) {
  CLI::App* cert = app.add_subcommand("cert", "Certificates for TLS and wss");
  cert->require_subcommand(1);
  auto options = std::make_shared<InitCertificates>();
  CLI::App* init = cert->add_subcommand(
      "init", "Create a root (if there is none) and RSA and ECDSA server certificates");
  init->add_option("--host", options->hosts, "A host name to cover; repeat it")
      ->allow_extra_args(false);
  init->add_option("--ip", options->ips, "An address to cover; repeat it")->allow_extra_args(false);
  init->add_option("--organization", options->organization, "The name in the certificates")
      ->capture_default_str();
  init->footer(
      "The files are in DATA_DIR/certs; ca.crt is the root that clients must trust. Run it again\n"
      "to renew the server's certificates, or to cover other names: the root stays.\n"
      "Example:\n  fairlead cert init --host iot.example.com --host localhost --ip 127.0.0.1");
  init->callback([&context, options] { context.exit_code = init_certificates(context, *options); });
  CLI::App* show = cert->add_subcommand("show", "Show the certificates");
  show->callback([&context] { context.exit_code = show_certificates(context); });
}

}  // namespace fairlead
