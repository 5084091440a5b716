#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <filesystem>
#include <memory>

#include "app/command.h"
#include "app/config.h"
#include "app/data_dir.h"
#include "app/output.h"
#include "app/server_plan.h"
#include "base/time.h"
#include "net/certificate.h"
#include "net/certificate_check.h"

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
      std::printf("The running server (process %d) takes the new ones by itself.\n", *server);
    }
  }
  return ExitCode::kOk;
}

struct ShowCertificates {
  std::string config_file;
};

// A file of the server's, and the key that it needs; a root has none here.
struct ShownFile {
  std::string certificate;
  std::string key;
};

// Those that the server would serve with this configuration, the own root first.
Result<std::vector<ShownFile>> files_to_show(const CommandContext& context,
                                             const ShowCertificates& options) {
  const CertificateFiles own = certificate_files((context.data_dir / "certs").string());
  ServeRequest request;
  request.config_file = options.config_file;
  std::vector<ShownFile> files;
  if (std::string file = config_file_of(request, context.data_dir); !file.empty()) {
    auto parsed = load_config(file);
    if (!parsed) return parsed.error();
    if (!parsed->problems.empty()) {
      return Reject{ReasonCode::kImplementationSpecificError,
                    describe(parsed->problems.front(), file)};
    }
    for (const CertificateConfig& set : parsed->config.tls.certificates) {
      for (std::size_t i = 0; i < set.certificate_files.size(); ++i) {
        files.push_back({set.certificate_files[i], set.key_files[i]});
      }
    }
  }
  if (!files.empty()) return files;
  for (const ShownFile& each :
       {ShownFile{own.ca_certificate, ""}, ShownFile{own.rsa_certificate, own.rsa_key},
        ShownFile{own.ec_certificate, own.ec_key}}) {
    std::error_code ignored;
    if (std::filesystem::exists(each.certificate, ignored)) files.push_back(each);
  }
  return files;
}

Record record_of(const ShownFile& file, const CertificateDescription& certificate,
                 std::vector<std::string> problems) {
  constexpr milliseconds kDay = std::chrono::hours{24};
  const milliseconds left = certificate.not_after - wall_clock_now();
  if (problems.empty() && left <= milliseconds{0}) problems = {"it has expired"};
  return {{"file", file.certificate},
          {"subject", certificate.subject},
          {"issuer", certificate.issuer},
          {"names", certificate.names},
          {"notBefore", format_time(certificate.not_before.count())},
          {"notAfter", format_time(certificate.not_after.count())},
          {"daysLeft", int64_t{std::max(left, milliseconds{0}) / kDay}},
          {"key", certificate.key_type},
          {"signature", certificate.signature_algorithm},
          {"sha256", certificate.fingerprint},
          {"problems", std::move(problems)}};
}

ExitCode show_certificates(const CommandContext& context, const ShowCertificates& options) {
  const std::string directory = (context.data_dir / "certs").string();
  const auto files = files_to_show(context, options);
  if (!files) return fail(context, ExitCode::kConfigInvalid, files.error().sentence);
  std::vector<Record> records;
  bool good = true;
  for (const ShownFile& file : *files) {
    auto certificate = describe_certificate(file.certificate);
    if (!certificate) return fail(context, ExitCode::kFailed, certificate.error().sentence);
    std::vector<std::string> problems;
    if (!file.key.empty()) {
      problems = check_certificate(file.certificate, file.key,
                                   certificate_files(directory).ca_certificate, wall_clock_now());
    }
    records.push_back(record_of(file, *certificate, std::move(problems)));
    good = good && std::get<std::vector<std::string>>(records.back().back().value).empty();
  }
  if (records.empty()) {
    return fail(context, ExitCode::kNotFound, "there are no certificates in " + directory,
                "Create them: fairlead cert init --host localhost --ip 127.0.0.1");
  }
  if (context.format == OutputFormat::kJson) {
    print_records(context, records, "");
    return good ? ExitCode::kOk : ExitCode::kFailed;
  }
  for (const Record& record : records) {
    if (&record != &records.front()) std::printf("\n");
    print_record(context, record);
  }
  return good ? ExitCode::kOk : ExitCode::kFailed;
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
  auto shown = std::make_shared<ShowCertificates>();
  CLI::App* show =
      cert->add_subcommand("show", "Show the certificates, and what is wrong with them");
  show->add_option("--config", shown->config_file,
                   "Configuration file (default: DATA_DIR/fairlead.toml if there is one)");
  show->footer(
      "Those that the configuration names, or those of DATA_DIR/certs: names, issuer, end, and\n"
      "problems such as a key that does not fit, an incomplete chain, expiry. Exit code 1 when\n"
      "there are any.");
  show->callback([&context, shown] { context.exit_code = show_certificates(context, *shown); });
}

}  // namespace fairlead
