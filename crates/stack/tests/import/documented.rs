//! Every key that the documentation of each tool has.

/// `systemd.unit(5)`, section `[Unit]`.
pub(super) const UNIT: &str = "\
    After AllowIsolate AssertACPower AssertArchitecture AssertCPUFeature AssertCPUPressure AssertCPUs \
    AssertCapability AssertControlGroupController AssertCredential AssertDirectoryNotEmpty AssertEnvironment \
    AssertFileIsExecutable AssertFileNotEmpty AssertFirstBoot AssertGroup AssertHost AssertIOPressure \
    AssertKernelCommandLine AssertKernelModuleLoaded AssertKernelVersion AssertMemory AssertMemoryPressure \
    AssertNeedsUpdate AssertOSRelease AssertPathExists AssertPathExistsGlob AssertPathIsDirectory \
    AssertPathIsEncrypted AssertPathIsMountPoint AssertPathIsReadWrite AssertPathIsSymbolicLink AssertSecurity \
    AssertUser AssertVirtualization Before BindsTo CollectMode ConditionACPower ConditionArchitecture \
    ConditionCPUFeature ConditionCPUPressure ConditionCPUs ConditionCapability ConditionControlGroupController \
    ConditionCredential ConditionDirectoryNotEmpty ConditionEnvironment ConditionFileIsExecutable \
    ConditionFileNotEmpty ConditionFirmware ConditionFirstBoot ConditionGroup ConditionHost ConditionIOPressure \
    ConditionKernelCommandLine ConditionKernelModuleLoaded ConditionKernelVersion ConditionMemory \
    ConditionMemoryPressure ConditionNeedsUpdate ConditionOSRelease ConditionPathExists ConditionPathExistsGlob \
    ConditionPathIsDirectory ConditionPathIsEncrypted ConditionPathIsMountPoint ConditionPathIsReadWrite \
    ConditionPathIsSymbolicLink ConditionSecurity ConditionUser ConditionVersion ConditionVirtualization Conflicts \
    DefaultDependencies Description Documentation FailureAction FailureActionExitStatus IgnoreOnIsolate \
    JobRunningTimeoutSec JobTimeoutAction JobTimeoutRebootArgument JobTimeoutSec JoinsNamespaceOf OnFailure \
    OnFailureJobMode OnSuccess OnSuccessJobMode PartOf PropagatesReloadTo PropagatesStopTo RebootArgument \
    RefuseManualStart RefuseManualStop ReloadPropagatedFrom Requires RequiresMountsFor Requisite SourcePath \
    StartLimitAction StartLimitBurst StartLimitIntervalSec StopPropagatedFrom StopWhenUnneeded SuccessAction \
    SuccessActionExitStatus SurviveFinalKillSignal Upholds Wants WantsMountsFor";

/// `systemd.service(5)`, `systemd.exec(5)`, `systemd.kill(5)` and `systemd.resource-control(5)`.
pub(super) const SERVICE: &str = "\
    AllowedCPUs AllowedMemoryNodes AmbientCapabilities AppArmorProfile BPFDelegateCommands BPFProgram BindLogSockets \
    BindPaths BindReadOnlyPaths BlockIOAccounting BlockIODeviceWeight BlockIOReadBandwidth BlockIOWeight \
    BlockIOWriteBandwidth BusName CPUAccounting CPUAffinity CPUQuota CPUQuotaPeriodSec CPUSchedulingPolicy \
    CPUSchedulingPriority CPUSchedulingResetOnFork CPUShares CPUWeight CacheDirectory CacheDirectoryMode \
    Capabilities CapabilityBoundingSet ConfigurationDirectory ConfigurationDirectoryMode CoredumpFilter \
    CoredumpReceive DefaultMemoryMin Delegate DelegateNamespaces DelegateSubgroup DeviceAllow DevicePolicy \
    DisableControllers DynamicUser Environment EnvironmentFile ExecCondition ExecPaths ExecReload ExecSearchPath \
    ExecStart ExecStartPost ExecStartPre ExecStop ExecStopPost ExitType ExtensionDirectories ExtensionImagePolicy \
    ExtensionImages FileDescriptorStoreMax FileDescriptorStorePreserve FinalKillSignal Group GuessMainPID \
    IOAccounting IODeviceLatencyTargetSec IODeviceWeight IOReadBandwidthMax IOReadIOPSMax IOSchedulingClass \
    IOSchedulingPriority IOWeight IOWriteBandwidthMax IOWriteIOPSMax IPAccounting IPAddressAllow IPAddressDeny \
    IPCNamespacePath IPEgressFilterPath IPIngressFilterPath IgnoreSIGPIPE ImportCredential InaccessibleDirectories \
    InaccessiblePaths KeyringMode KillMode KillSignal LandlockConfig LimitAS LimitCORE LimitCPU LimitDATA LimitFSIZE \
    LimitLOCKS LimitMEMLOCK LimitMSGQUEUE LimitNICE LimitNOFILE LimitNPROC LimitRSS LimitRTPRIO LimitRTTIME \
    LimitSIGPENDING LimitSTACK LoadCredential LoadCredentialEncrypted LockPersonality LogExtraFields \
    LogFilterPatterns LogLevelMax LogNamespace LogRateLimitBurst LogRateLimitIntervalSec LogsDirectory \
    LogsDirectoryMode ManagedOOMMemoryPressure ManagedOOMMemoryPressureDurationSec ManagedOOMMemoryPressureLimit \
    ManagedOOMPreference ManagedOOMSwap MemoryAccounting MemoryDenyWriteExecute MemoryHigh MemoryKSM MemoryLimit \
    MemoryLow MemoryMax MemoryMin MemoryPressureThresholdSec MemoryPressureWatch MemorySwapMax MemoryZSwapMax \
    MemoryZSwapWriteback MountAPIVFS MountFlags MountImagePolicy MountImages NFTSet NUMAMask NUMAPolicy NetClass \
    NetworkNamespacePath Nice NoExecPaths NoNewPrivileges NonBlocking NotifyAccess OOMPolicy OOMScoreAdjust OpenFile \
    PAMName PIDFile PassEnvironment Personality PrivateBPF PrivateDevices PrivateIPC PrivateMounts PrivateNetwork \
    PrivatePIDs PrivateTmp PrivateUsers ProcSubset ProtectClock ProtectControlGroups ProtectHome ProtectHostname \
    ProtectKernelLogs ProtectKernelModules ProtectKernelTunables ProtectProc ProtectSystem ReadOnlyDirectories \
    ReadOnlyPaths ReadWriteDirectories ReadWritePaths ReloadSignal RemainAfterExit RemoveIPC Restart \
    RestartForceExitStatus RestartKillSignal RestartMaxDelaySec RestartMode RestartPreventExitStatus RestartSec \
    RestartSteps RestrictAddressFamilies RestrictFileSystems RestrictNamespaces RestrictNetworkInterfaces \
    RestrictRealtime RestrictSUIDSGID RootDirectory RootDirectoryStartOnly RootEphemeral RootHash RootHashSignature \
    RootImage RootImageOptions RootImagePolicy RootVerity RuntimeDirectory RuntimeDirectoryMode \
    RuntimeDirectoryPreserve RuntimeMaxSec RuntimeRandomizedExtraSec SELinuxContext SecureBits SendSIGHUP \
    SendSIGKILL SetCredential SetCredentialEncrypted SetLoginEnvironment Slice SmackProcessLabel SocketBindAllow \
    SocketBindDeny Sockets StandardError StandardInput StandardInputData StandardInputText StandardOutput \
    StartupAllowedCPUs StartupAllowedMemoryNodes StartupBlockIOWeight StartupCPUShares StartupCPUWeight \
    StartupIOWeight StartupMemoryMax StateDirectory StateDirectoryAccounting StateDirectoryMode StateDirectoryQuota \
    SuccessExitStatus SupplementaryGroups SyslogFacility SyslogIdentifier SyslogLevel SyslogLevelPrefix \
    SystemCallArchitectures SystemCallErrorNumber SystemCallFilter SystemCallLog TTYColumns TTYPath TTYReset TTYRows \
    TTYVHangup TTYVTDisallocate TasksAccounting TasksMax TemporaryFileSystem TimeoutAbortSec TimeoutCleanSec \
    TimeoutSec TimeoutStartFailureMode TimeoutStartSec TimeoutStopFailureMode TimeoutStopSec TimerSlackNSec Type \
    UMask USBFunctionDescriptors USBFunctionStrings UnsetEnvironment User UtmpIdentifier UtmpMode WatchdogSec \
    WatchdogSignal WorkingDirectory";

/// `systemd.unit(5)`, section `[Install]`.
pub(super) const INSTALL: &str = "\
    Alias WantedBy RequiredBy UpheldBy Also DefaultInstance";

/// The page of supervisord about its configuration: section and key.
pub(super) const SUPERVISORD: &str = "\
    unix_http_server.file unix_http_server.chmod unix_http_server.chown unix_http_server.username \
    unix_http_server.password inet_http_server.port inet_http_server.username inet_http_server.password \
    supervisord.logfile supervisord.logfile_maxbytes supervisord.logfile_backups supervisord.loglevel \
    supervisord.pidfile supervisord.umask supervisord.nodaemon supervisord.silent supervisord.minfds \
    supervisord.minprocs supervisord.nocleanup supervisord.childlogdir supervisord.user supervisord.directory \
    supervisord.strip_ansi supervisord.environment supervisord.identifier supervisorctl.serverurl \
    supervisorctl.username supervisorctl.password supervisorctl.prompt supervisorctl.history_file program.command \
    program.process_name program.numprocs program.numprocs_start program.priority program.autostart \
    program.startsecs program.startretries program.autorestart program.exitcodes program.stopsignal \
    program.stopwaitsecs program.stopasgroup program.killasgroup program.user program.redirect_stderr \
    program.stdout_logfile program.stdout_logfile_maxbytes program.stdout_logfile_backups \
    program.stdout_capture_maxbytes program.stdout_events_enabled program.stdout_syslog program.stderr_logfile \
    program.stderr_logfile_maxbytes program.stderr_logfile_backups program.stderr_capture_maxbytes \
    program.stderr_events_enabled program.stderr_syslog program.environment program.directory program.umask \
    program.serverurl include.files group.programs group.priority fcgi-program.socket fcgi-program.socket_backlog \
    fcgi-program.socket_owner fcgi-program.socket_mode eventlistener.buffer_size eventlistener.events \
    eventlistener.result_handler rpcinterface.supervisor.rpcinterface_factory";

/// The schema of process-compose: of the file, and of a process `web`.
pub(super) const COMPOSE: &str = "\
    version name log_location log_level log_length log_configuration log_format environment shell is_strict vars \
    disable_env_expansion is_tui_disabled extends env_cmds ordered_shutdown file_names env_file_names dot_env_vars \
    mcp_server web.name web.extends web.disabled web.is_daemon web.command web.entrypoint web.log_location \
    web.log_configuration.rotation web.log_configuration.fields_order web.log_configuration.disable_json \
    web.log_configuration.timestamp_format web.log_configuration.no_color web.log_configuration.no_metadata \
    web.log_configuration.add_timestamp web.log_configuration.flush_each_line web.environment web.env_file \
    web.availability.restart web.availability.backoff_seconds web.availability.max_restarts \
    web.availability.exit_on_end web.availability.exit_on_skipped web.depends_on web.liveness_probe.exec \
    web.liveness_probe.http_get web.liveness_probe.initial_delay_seconds web.liveness_probe.period_seconds \
    web.liveness_probe.timeout_seconds web.liveness_probe.success_threshold web.liveness_probe.failure_threshold \
    web.readiness_probe.exec web.readiness_probe.http_get web.readiness_probe.initial_delay_seconds \
    web.readiness_probe.period_seconds web.readiness_probe.timeout_seconds web.readiness_probe.success_threshold \
    web.readiness_probe.failure_threshold web.ready_log_line web.shutdown.command web.shutdown.timeout_seconds \
    web.shutdown.signal web.shutdown.parent_only web.shutdown.send_keys web.disable_ansi_colors web.working_dir \
    web.namespace web.replicas web.description web.vars web.is_foreground web.is_tty web.is_elevated \
    web.is_interactive web.launch_timeout_seconds web.is_disabled web.is_dotenv_disabled web.original_config \
    web.replica_num web.replica_name web.executable web.args web.schedule web.watch web.mcp web.truncate_log \
    web.is_template_disabled web.monitor_for web.monitor_silence_threshold web.success_exit_codes";
